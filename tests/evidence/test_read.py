"""Reading published runs: the schema, units, and files that are not what they should be."""

import gzip
import math
from collections import Counter
from dataclasses import MISSING, fields

import pytest

from steelyard.errors import BadInput
from steelyard.evidence.runs.columns import memory_metric, memory_unit_bytes, run_of_row
from steelyard.evidence.runs.exclusions import exclusions
from steelyard.evidence.runs.header import COLLECTED
from steelyard.evidence.runs.reader import published_runs, read_runs
from steelyard.evidence.runs.run import COLUMNS, MEMORY_METRICS, Run, is_known, publisher
from steelyard.units import GIB_BYTES

HEADER = "id,source_group,model,hardware,n_chips,seq_len,step_time_s\n"
ROW = "a,g,llama-3-8b,H100-80GB,8,8192,1.5\n"


@pytest.fixture
def write(tmp_path):
    def _write(content, name="runs.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def test_the_shipped_runs_are_the_collected_ones_without_the_share_alike_table():
    runs = published_runs()
    groups = Counter(run.group for run in runs)
    assert len(runs) >= 3889
    assert len({run.id for run in runs}) == len(runs)
    assert groups["nanotron-ultrascale-sweep"] == 1027
    assert groups["vtrain-single"] + groups["vtrain-multi"] == 767
    assert groups["simumax-b200"] == 18
    assert not any("stas00" in run.source for run in runs)
    assert all(run.source and run.group and run.use in {"score", "memory", "context"} for run in runs)


def test_table_1_of_2104_04473_is_a_group_with_the_published_figures():
    rows = {run.model: run for run in published_runs() if run.group == "megatron-2104.04473"}
    assert len(rows) == 10
    assert [rows[name].tflops_per_device for name in ("GPT-1.7B", "GPT-145B", "GPT-1T")] == [137, 148, 163]
    assert (rows["GPT-1T"].tp, rows["GPT-1T"].pp, rows["GPT-1T"].devices) == (8, 64, 3072)


def test_table_2_of_2104_04473_reproduces_its_days_for_300b_tokens():
    """The paper prints 84, 43, 23 and 156, 80, 42 days beside the TFLOP/s that the step times come from."""
    rows = [run for run in published_runs() if run.group == "megatron-2104.04473-t2"]
    days = [300e9 / (run.tokens_per_s_per_device * run.devices) / 86400 for run in rows]
    assert days == pytest.approx([84, 43, 23, 156, 80, 42], rel=0.02)


def test_every_exclusion_names_shipped_rows_and_its_citation():
    ids, groups = {run.id for run in published_runs()}, {run.group for run in published_runs()}
    for rule in exclusions():
        assert rule.id in ids or (not rule.id and rule.group in groups)
        assert rule.reason
        assert rule.citation
        assert rule.metric in {"time", "memory", "all"}


def test_each_column_of_the_collected_header_is_one_of_ours():
    assert set(COLLECTED.values()) <= set(COLUMNS)
    assert len(set(COLLECTED.values())) == len(COLLECTED)
    assert [field.name for field in fields(Run) if field.default is MISSING] == list(COLUMNS)


@pytest.mark.parametrize(
    ("text", "unit_bytes", "metric"),
    [
        ("GB printed (GiB-like)", GIB_BYTES, "unknown"),
        ("GiB (max reserved)", GIB_BYTES, "reserved"),
        ("GB as printed (torch max_memory_reserved/1e9)", 1e9, "reserved"),
        ("GB (1e9) max over ranks incl. CUDA context (total used)", 1e9, "device"),
        ("GB (MB/1000, MB as printed)", 1e9, "unknown"),
        ("GiB max_memory_reserved worst rank", GIB_BYTES, "reserved"),
        ("GiB active", GIB_BYTES, "allocated"),
        ("GB (1e9) mem-max-allocated rank logged", 1e9, "allocated"),
        ("GiB allocated", GIB_BYTES, "allocated"),
        ("GiB (MiB/1024)", GIB_BYTES, "unknown"),
        ("GB (1e9) torch peak", 1e9, "allocated"),
        ("GiB reserved", GIB_BYTES, "reserved"),
        ("MiB", 2.0**20, "unknown"),
        ("", 1e9, "unknown"),
    ],
)
def test_units_of_memory(text, unit_bytes, metric):
    assert memory_unit_bytes(text) == unit_bytes
    assert memory_metric(text, "") == metric


def test_a_row_that_says_nothing_is_unknown_not_zero():
    run = run_of_row({"model": "x", "n_layers": "", "tp": "n/a", "mfu": "38%", "recompute": ""}, "r1")
    assert math.isnan(run.layers)
    assert math.isnan(run.tp)
    assert (run.id, run.mfu, run.recompute, run.use) == ("r1", 0.38, "unknown", "score")
    assert run.memory_metric in MEMORY_METRICS


def test_publisher_is_the_source_without_revision():
    by = {run.group: publisher(run) for run in published_runs()}
    assert by["llm-foundry"] == "mosaicml/llm-foundry"
    assert by["megatron-2104.04473"] == "NVIDIA/Megatron-LM"


def test_both_headers_compressed_or_not_read_alike(write):
    plain, packed = (
        read_runs(write(HEADER + ROW)),
        read_runs(write(gzip.compress((HEADER + ROW).encode()), "runs.csv.gz")),
    )
    ours = read_runs(write("id,group,model,accelerator,devices,sequence_tokens,step_time_s\n" + ROW, "ours.csv"))
    assert repr(plain) == repr(packed) == repr(ours)
    assert plain[0].step_time_s == 1.5


def test_extra_columns_blank_lines_and_a_byte_order_mark_do_no_harm(write):
    (run,) = read_runs(write("\ufeff" + HEADER.strip() + ",weather\n\n" + ROW.strip() + ",rain\n"))
    assert (run.id, run.devices, is_known(run.tp)) == ("a", 8, False)


def test_a_repeated_id_is_told_apart_and_a_missing_one_numbered(write):
    runs = read_runs(write(HEADER + ROW + ROW + ROW.removeprefix("a")))
    assert [run.id for run in runs] == ["a", "a#2", "runs-3"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "no column for model, accelerator, devices, sequence_tokens"),
        ("model,hardware\nx,y\n", "no column for devices, sequence_tokens, step_time_s or"),
        (HEADER.replace(",", ";") + ROW.replace(",", ";"), "comma-separated"),
        (HEADER.replace("step_time_s", "remark") + ROW, "step_time_s or tokens_per_s_per_device"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        (HEADER.encode("utf-16"), "binary"),
        (HEADER.encode() + b"\xff\xfe,g\n", "not UTF-8"),
        (gzip.compress(HEADER.encode(), mtime=0)[:-6], "damaged"),
        (b"\x1f\x8bnonsense", "damaged"),
    ],
)
def test_a_file_that_is_something_else_is_named(write, content, says):
    path = write(content)
    with pytest.raises(BadInput, match=says) as caught:
        read_runs(path)
    assert path.name in str(caught.value)


def test_a_folder_or_nothing_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "absent.csv"):
        with pytest.raises(BadInput, match="cannot be read"):
            read_runs(path)
