"""Which stacks run where: pairs of stack and chip that nobody can run are refused, schedules find a stack."""

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.catalog.stacks import _vendors_asked
from steelyard.errors import BadInput, BadLayout
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.score.validation import scored_runs
from steelyard.market.build import market_of
from steelyard.market.running import runs_on_vendor, vendors_of_stack

JOB = {"tokens": "1B", "global_batch": 512}


@pytest.mark.parametrize(
    ("on", "stack", "named"),
    [
        ("TPU-v5p:64", "megatron-core", "maxtext"),
        ("TPU-v5p:64", "fsdp2", "maxtext"),
        ("TPU-v5p:64", "torchtune", "maxtext"),
        ("TPU-v5p:64", "unsloth", "maxtext"),
        ("H100:8", "neuronx-distributed", "fsdp2"),
        ("H100:8", "mindspeed", "fsdp2"),
        ("H100:8", "optimum-habana", "fsdp2"),
        ("Gaudi2:8", "megatron-core", "optimum-habana"),
    ],
)
def test_a_stack_that_does_not_run_on_a_chip_is_refused_with_those_that_do(on: str, stack: str, named: str) -> None:
    with pytest.raises(BadInput, match=rf"runs on chips of .*, not of .*name one that runs there \(.*{named}") as told:
        steelyard.estimate("llama-3-8b", on, stack=stack, **JOB)
    assert "\n" not in str(told.value)
    assert steelyard.estimate("llama-3-8b", on, stack=named, **JOB).stack == named


def test_every_stack_runs_on_what_its_file_names_and_on_nothing_else() -> None:
    catalog = load()
    makers = sorted({chip.vendor for chip in catalog.accelerators.values()})
    for name, file in catalog.stack_files.items():
        (kind, *_), known = file.capability.trains, file.capability.vendors
        assert vendors_of_stack(name, makers, kind, catalog) == tuple(
            one for one in makers if one in known or not known
        )
        for maker in {*makers} - {*known} if known else ():
            with pytest.raises(BadInput, match=f"stack {name} runs on chips of"):
                vendors_of_stack(name, [maker], kind, catalog)


def test_a_measured_row_of_such_a_pair_is_predicted_and_says_so() -> None:
    rows = [
        blank_run(
            id=chip, model="llama-3-8b", accelerator=chip, devices=8.0, stack="torchtitan", sequence_tokens=8192.0,
            batch_samples=64.0, step_time_s=9.0, task="pretrain",
        )
        for chip in ("TPU-v5p", "H100")
    ]  # fmt: skip
    strange, usual = scored_runs(rows).cases
    assert strange.predicted > 0
    assert [note for note in strange.notes if "how fsdp2 runs on chips of Google, where it is not known to" in note]
    assert not [note for note in usual.notes if "runs on chips of" in note]


def test_a_stack_of_ones_own_runs_on_any_chip() -> None:
    assert all(runs_on_vendor("my-own-trainer", vendor, load()) for vendor in ("NVIDIA", "Google", "Huawei"))


def test_a_plan_leaves_out_the_chips_on_which_its_stack_does_not_run_and_says_so() -> None:
    market = market_of(steelyard.read_job("llama-3-8b", stack="maxtext", **JOB), load())
    assert {vendor for vendor, able in market.stacks_of_vendor.items() if able} == {"AMD", "Google", "NVIDIA"}
    assert any("maxtext does not run on chips of" in note and "AWS" in note for note in market.notes)


@pytest.mark.parametrize(
    ("on", "stack", "taken"),
    [
        ("H100:8", "jax", "maxtext"),  # docs.nvidia.com/jax-toolbox/frameworks/max-text
        ("MI300X:8", "MaxText", "maxtext"),  # rocm.docs.amd.com, Train a model with JAX MaxText
        ("MI300X:8", "Megatron-LM", "megatron-core"),  # rocm.docs.amd.com, Train a model with Primus and Megatron-core
        ("MI300X:8", "megatron-lm", "megatron-lm"),
        ("MI300X:8", "unsloth", "hf-trainer"),  # unsloth.ai/docs/get-started/install/amd
        ("Gaudi3:8", "DeepSpeed ZeRO-3", "deepspeed"),  # deepspeed.ai/tutorials/accelerator-setup-guide
    ],
)
def test_a_stack_runs_where_documents_say_and_is_proposed_where_it_was_timed(on: str, stack: str, taken: str) -> None:
    found = steelyard.estimate("llama-3-8b", on, stack=stack, **JOB)
    assert (found.stack, found.time.total_s > 0) == (taken, True)
    vendor = load().accelerators[on.split(":", maxsplit=1)[0]].vendor if on.startswith(("MI", "Gaudi")) else "NVIDIA"
    assert taken != "maxtext" or all(one.stack != taken for one in load().planned_stacks(vendor))


def test_vendors_that_a_stack_also_runs_on_need_their_source() -> None:
    with pytest.raises(ValueError, match="vendors_asked_source"):
        _vendors_asked({"vendors_asked": ["AMD"]})


@pytest.mark.parametrize(
    ("schedule", "stacks"),
    [("zb-h1", {"internevo", "zero-bubble"}), ("zb-h2", {"zero-bubble"}), ("dualpipe", {"any"}), ("1f1b", None)],
)
def test_a_schedule_of_a_job_that_names_no_stack_is_of_one_that_runs_it(schedule: str, stacks: set[str] | None) -> None:
    found = steelyard.estimate("llama-3-8b", "H100:64", layout=f"tp=4,pp=8,schedule={schedule}", **JOB)
    assert (f"schedule={schedule}" in found.layout_text) == (schedule != "1f1b")
    taken = {found.stack, *(one.stack for one in found.other_stacks)}
    told = [text for text in found.assumptions if f"none runs schedule {schedule}" in text]
    if stacks is None:
        assert (taken & {"internevo", "zero-bubble", "any"}, told) == (set(), [])
    else:
        assert (taken, len(told)) == (stacks, 1)
        assert told[0].startswith(f"stack {found.stack}: of megatron-core, ")


def test_a_schedule_that_a_named_stack_lacks_is_refused() -> None:
    with pytest.raises(BadLayout, match="zb-h1 runs on internevo, zero-bubble"):
        steelyard.estimate("llama-3-8b", "H100:64", layout="tp=4,pp=8,schedule=zb-h1", stack="megatron-core", **JOB)


def test_a_plan_takes_a_stack_that_runs_the_schedule_that_its_layout_asks_for() -> None:
    job = steelyard.read_job("llama-3-8b", layout={"schedule": "zb-h2"}, accelerators=["H100"], **JOB)
    market = market_of(job, load())
    assert [one.name for one in market.stacks] == ["zero-bubble"]
    assert any("none runs schedule zb-h2" in note for note in market.notes)
