"""How much memory a device has: binary sizes as drivers and runtimes print them, never a maker's decimal figure."""

import math
import re

import pytest

from steelyard.catalog import load

GIB = 2**30
PRINTED_MIB = {
    # what a program gets: CUDA totals of llama.cpp, PyTorch's messages, nvidia-smi less what the driver holds back
    "RTX-3090": 24124,
    "RTX-4090": 24210,
    "RTX-3060-12GB": 11906,
    "RTX-5070Ti": 15842,
    "RTX-5060Ti-16GB": 15850,
    "RTX-PRO-6000-Workstation": 97247,
    "RTX-PRO-6000-Server": 97252,
    "T4": 14912,
    "PVC-Max-1550-tile": 65515.5,
}
DRIVER_MIB = {
    # what nvidia-smi, rocm-smi and hl-smi print
    "GTX-1080Ti": 11264,
    "RTX-2080Ti": 11264,
    "RTX-3080": 10240,
    "RTX-3080Ti": 12288,
    "RTX-3090Ti": 24564,
    "RTX-4070": 12282,
    "RTX-4070Ti-SUPER": 16376,
    "RTX-4080": 16376,
    "RTX-5070Ti": 16303,
    "RTX-5080": 16303,
    "RTX-5090": 32607,
    "RTX-A4000": 16376,
    "RTX-4000-Ada": 20475,
    "RTX-PRO-5000-72GB": 73415,
    "L40": 46068,
    "A30": 24576,
    "GB200": 189471,
    "GB300": 284208,
    "Gaudi2": 98304,
    "K80-half": 11441,
    "MI300X": 206141652992 / 2**20,
    "MI355X": 309220868096 / 2**20,
}


@pytest.mark.parametrize("name", load().accelerators)
def test_no_capacity_is_a_decimal_figure(name: str) -> None:
    facts = load().accelerators[name].facts
    stated, runtime = facts.fact("memory"), facts.fact("memory_runtime")
    assert stated is not None, f"{name}: whether a job fits cannot be told"
    assert stated.unit == "MiB", f"{name}: {stated.value:g} {stated.unit} of {stated.source}"
    if runtime is not None:
        assert 0.95 * stated.si < runtime.si <= stated.si, name


@pytest.mark.parametrize("name", load().accelerators)
def test_a_program_gets_at_most_the_gibibytes_that_the_name_says_and_no_tenth_less(name: str) -> None:
    row = load().accelerators[name]
    if nominal := re.search(r"(\d+)GB", row.id):
        assert 0.9 < row.memory_bytes / GIB / float(nominal[1]) <= 1.0


@pytest.mark.parametrize("name", PRINTED_MIB)
def test_a_job_may_fill_what_a_program_gets(name: str) -> None:
    assert load().accelerator(name).memory_bytes == pytest.approx(PRINTED_MIB[name] * 2**20)


@pytest.mark.parametrize("name", DRIVER_MIB)
def test_the_driver_shows_what_logs_of_it_show(name: str) -> None:
    row = load().accelerator(name)
    assert row.facts.value("memory") == pytest.approx(DRIVER_MIB[name] * 2**20)
    assert row.memory_bytes <= DRIVER_MIB[name] * 2**20


def test_cards_of_gddr_reproduce_the_peaks_of_their_siblings() -> None:
    """GeForce multiplies 16-bit numbers at twice its vector rate, professional cards at four times."""
    cards = load().accelerators
    families = ("nvidia-ampere-ga102", "nvidia-ada", "nvidia-blackwell-consumer")
    for row in (row for row in cards.values() if row.family in families):
        ratio = row.peak("bf16") / row.peak("fp32")
        if math.isnan(ratio) or row.id in ("A10G", "L4", "L40", "A10", "L40S", "RTX-PRO-6000-Server"):
            continue  # rated at a clock, or at sums, of their own
        professional = row.id.startswith(("RTX-A", "RTX-PRO", "A40")) or row.id.endswith("-Ada")
        assert ratio == pytest.approx(4 if professional else 2, rel=0.05), row.id
