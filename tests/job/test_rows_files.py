"""Files of rows that somebody got wrong: each is refused with its place and the way out, none is answered absurdly."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.catalog import load
from steelyard.catalog.read import row_models
from steelyard.errors import BadInput
from steelyard.job import job_table, read_job
from steelyard.job.models.rows_spec import rows_spec
from steelyard.planner import estimate

SHIPPED = {
    name: yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506  # files of the catalog, as text
    for name, text in row_models(load().folder).items()
}
TOY = """
name: toy
sample: image
batch: 64
params: 54
blocks: [{name: block, count: 2, input: 300}]
rows:
  - {block: block, name: conv, m: 100, k: 3, n: 4, params: 12, kept: 400, moved: 700}
  - {block: head, name: classifier, m: 1, k: 5, n: 6, params: 30, kept: 5}
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("m: 100", "m: 0", r"row 1: m is '0'; it must be a whole number from 1 to 1e\+09"),
        ("k: 3", "k: 0", "row 1: k is '0'"),
        ("n: 4", "n: 0", "row 1: n is '0'"),
        ("m: 100", "m: 100, groups: 0", "row 1: groups is '0'"),
        ("m: 100", "m: 100, groups: 101", "row 1: groups is 101 but m, the rows of all groups, is 100"),
        ("m: 100", "m: 1e300", r"row 1: m is '1e\+300'"),
        ("m: 100", "m: .nan", "row 1: m is '.nan'"),
        ("m: 100", "m: 1e999", "row 1: m is 'inf'"),
        ("m: 100", "m: 10.5", "row 1: m is '10.5'"),
        ("m: 100, k: 3, n: 4", "m: 1e9, k: 1e6, n: 1e6", "row 1: m x k x n is above 1e"),
        ("m: 100, ", "", "row 1: it has k and n alone; a product needs m, k and n"),
        ("m: 100, k: 3, n: 4, ", "groups: 2, ", "row 1: groups is given without a product"),
        ("moved: 700", "moved: -1", "row 1: moved is '-1'"),
        ("params: 12", "params: 12.5", "row 1: params is '12.5'"),
        ("params: 12", "params: 12, repeats: 1.5", "row 1: repeats is '1.5'"),
        ("params: 12", "params: 12, repeats: 0", "row 1: repeats is '0'"),
        ("batch: 64", "batch: 64.5", "batch is '64.5'"),
        ("batch: 64", "batch: 1e12", r"batch is '1000000000000.0'; .* to 1e\+09"),
        ("batch: 64", "batch: yes", "batch is 'yes'"),
        ("params: 54", "params: 54.5", "params is '54.5'"),
        ("params: 54", "params: many", "params is 'many'"),
        ("sample: image", "sample: token", "sample is 'token'; write what one pass takes"),
        ("sample: image", "sample: sequence", "sample is 'sequence'"),
        ("sample: image", "sample: images", "sample is 'images'.* in the singular"),
        ("sample: image", "sample: An Image", "sample is 'An Image'"),
        ("name: toy", "name: ' '", "name is ' '"),
        ("name: toy", "name: toy\naliases: net", "aliases is 'net'"),
        ("input: 300", "input: 0.5", "block 1: input is '0.5'"),
        ("count: 2", "count: 2e9", "block 1: count is '2000000000.0'"),
        ("name: block", "name: head", "block 1: its name is 'head'"),
        ("name: conv, ", "name: conv, kernel: gemm, ", "row 1: unknown field 'kernel'"),
        ("name: conv, ", "name: conv, split_m: tensor, ", "row 1: unknown field 'split_m'"),
        ("kept: 5}", "kept_kind: mask}", "row 2: kept_kind is given but kept is not"),
        ("kept: 5}", "kept_width: byte}", "row 2: kept_width is given but kept is not"),
        ("rows:", "rows:\n  - {block: block, name: nothing}", "row 1: it has nothing; give a product"),
        ("rows:", "rows:\n  - {block: block, name: nothing, moved: 0}", "row 1: it has nothing"),
        ("params: 54\n", "params: 54\nsource: [a]\n", r"source is \"\['a'\]\""),
    ],
)
def test_a_wrong_number_or_word_says_where_it_is(old, new, message):
    text = TOY.replace(old, new, 1)
    with pytest.raises(BadInput, match=f"^toy.yaml: {message}"):
        rows_spec(text, "toy.yaml")


def test_the_file_that_these_are_made_of_is_read():
    assert rows_spec(TOY, "toy.yaml").params == 54


def test_a_job_is_no_model():
    with pytest.raises(BadInput, match=r"toy.yaml: it is a job, not a model by rows; .*: plan toy.yaml"):
        rows_spec("model: resnet-50\nsamples: 1M\n", "toy.yaml")


NASTY = st.sampled_from(
    [0, -1, 1, 2, 0.5, 1e300, 10**30, 1e15, 1e9, 10**6, ".nan", ".inf", "", "x", "sequence", "token", "head", "block",
     "stem", "fp32", "byte", "logits", "mask", None, True, [], {}, [1], {"m": 1}, "1e400", "0x10", "1_000", "images"]
)  # fmt: skip


@st.composite
def edits(draw: st.DrawFn) -> dict[str, Any]:
    """Return a shipped file of rows with up to four random edits."""
    made = copy.deepcopy(SHIPPED[draw(st.sampled_from(sorted(SHIPPED)))])
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.sampled_from(["top", "rows", "blocks"]))
        some = made if place == "top" else made.get(place)
        if isinstance(some, list) and some:
            some = draw(st.sampled_from(some))
        if not isinstance(some, dict) or not some:
            continue
        name = draw(st.sampled_from([*some, "groups", "repeats", "kept_kind", "kept_width", "kernel", "params"]))
        if draw(st.booleans()) and draw(st.booleans()):
            some.pop(name, None)
        else:
            some[name] = copy.deepcopy(draw(NASTY))  # a later edit may change it
    made.pop("params", None) if draw(st.booleans()) else None
    return made


def refusal(read: Callable[[], Any]) -> tuple[Any, str]:
    """Return what is read, or the message that says why not."""
    try:
        return read(), ""
    except BadInput as error:
        return None, str(error)


@settings(max_examples=150, deadline=None)
@given(edits())
def test_random_edits_are_refused_or_answered_soberly(tmp_path_factory, made):
    text = yaml.safe_dump(made, sort_keys=False, default_flow_style=None).replace("'", "")
    file = tmp_path_factory.mktemp("rows") / "net.yaml"
    file.write_text(text, encoding="utf-8")
    job, message = refusal(lambda: job_table(read_job({"model": str(file), "samples": "100M"})))
    assert not message or "net.yaml" in message or "global batch" in message
    if job is None:
        return
    assert 0 < job.workload.params <= 1e15
    assert 0 < job.workload.model_flop < math.inf
    assert 1 <= job.batch_samples <= 1e9
    assert job.batch_samples % 1 == 0
    found, message = refusal(lambda: estimate(str(file), "H100:1", samples="100M"))
    assert message or 0 < found.time_s.value < math.inf
    assert message or 0 < found.memory_bytes.value < math.inf


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_text_cut_or_garbled_never_ends_in_a_traceback(data):
    text = row_models(load().folder)[data.draw(st.sampled_from(sorted(SHIPPED)))]
    at, length = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 30))
    garbled = text[:at] + data.draw(st.text(max_size=6)) + text[at + length :]
    made, message = refusal(lambda: rows_spec(garbled, "net.yaml"))
    assert message.startswith("net.yaml") or 0 < made.params <= 1e15
