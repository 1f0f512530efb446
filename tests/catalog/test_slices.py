"""Slices of TPU pods by their names: cores or chips, in jobs, rows and claims alike."""

import pytest

from steelyard.catalog import load
from steelyard.catalog.hosts.slices import counted_slice, slice_of_name
from steelyard.claims.reading.hardware import parse_hardware
from steelyard.errors import BadInput
from steelyard.evidence.runs.accelerators import accelerator_of_name, counted_devices
from steelyard.evidence.runs.columns import run_of_row
from steelyard.job.literals import parse_accelerators

PUBLISHED = {
    "v2-8": ("TPU-v2", 4),
    "v3-32": ("TPU-v3", 16),
    "v4-8": ("TPU-v4", 4),  # cloud.google.com/tpu/docs/v4: 2x2x1, 4 chips
    "v4-256": ("TPU-v4", 128),
    "v5p-8": ("TPU-v5p", 4),  # docs.cloud.google.com/tpu/docs/v5p-training: 2x2x1, 8 cores, 4 chips
    "v5p-12288": ("TPU-v5p", 6144),  # 16x16x24, the largest
    "v5litepod-16": ("TPU-v5e", 16),
    "v5e-256": ("TPU-v5e", 256),  # a whole pod is 256 chips
    "v6e-64": ("TPU-v6e", 64),
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("form", ["{}", "TPU {}", "tpu-{}", "cloud TPU {}"])
def test_every_reader_counts_the_same_chips(name: str, form: str) -> None:
    written, (accelerator, chips) = form.format(name), PUBLISHED[name]
    assert parse_accelerators(written) == ((accelerator, chips),)
    assert (accelerator_of_name(written, load()).id, counted_devices(written)) == (accelerator, chips)
    claimed = parse_hardware(written)
    assert (claimed.id, claimed.devices) == (accelerator, float(chips))


def test_a_row_without_devices_runs_on_the_chips_of_its_slice() -> None:
    assert run_of_row({"accelerator": "v4-256"}, "one").devices == 128
    assert run_of_row({"accelerator": "v4-256", "devices": "64"}, "one").devices == 64


def test_slices_alike_add_up() -> None:
    assert parse_accelerators("2x v4-256, v6e-64") == (("TPU-v4", 256), ("TPU-v6e", 64))


@pytest.mark.parametrize("name", ["v4-7", "v4-0", "v6e-0"])
def test_a_number_of_cores_that_is_no_chips_is_refused_with_one_that_is(name: str) -> None:
    with pytest.raises(BadInput, match=r"write such as v\d\w?-8"):
        slice_of_name(name)


def test_a_count_beside_a_slice_must_be_its_chips() -> None:
    assert counted_slice("v4-256", 128) == ("TPU-v4", 128)
    with pytest.raises(BadInput, match=r"is 128 chips \(256 TensorCores, 2 a chip\); write v4-256 or TPU-v4:256"):
        counted_slice("v4-256", 256)
    assert counted_slice("tpu-v4-8", 64) == ("tpu-v4-8", 64)  # a system of the catalog and how many devices


@pytest.mark.parametrize("name", ["TPU-v4", "H100", "p5.48xlarge", "node-RTX-4090", "MI300X", "v4"])
def test_other_names_are_no_slices(name: str) -> None:
    assert slice_of_name(name) is None
