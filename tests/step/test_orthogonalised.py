"""What an update computes: Muon's Newton-Schulz products, from the matrices of the rows."""

from dataclasses import replace

import numpy as np
import pytest
from tests.shapes import in_model, layout, pretraining
from tests.step.neutral import GPT, MOE, PEAK, B, H, L, S, kernels, step

from steelyard.job import job_table, read_job

MUON = pretraining(GPT, S, B, newton_schulz=5.0)
BLOCK = 6 * H**3 + 2 * (4 * H**2 * 4 * H + 2 * H**3) + (4 * H**2 * 3 * H + 2 * H**3)  # output; MLP in and out; q, k, v


def test_five_iterations_on_every_matrix_of_the_blocks() -> None:
    taken = step(MUON, layout(MUON), peak16_flop_per_s=PEAK).optimizer_s
    assert taken == pytest.approx(5 * L * BLOCK / PEAK)


def test_products_of_an_update_reach_what_others_of_16_bits_do() -> None:
    taken = step(MUON, layout(MUON), kernels(gemm_efficiency=0.5), peak16_flop_per_s=PEAK).optimizer_s
    assert taken == pytest.approx(5 * L * BLOCK / (0.5 * PEAK))


def test_in_a_column_those_alone_multiply_that_orthogonalise() -> None:
    column = replace(MUON, newton_schulz=np.array([0.0, 1.0, 5.0]))
    taken = step(column, layout(MUON), peak16_flop_per_s=PEAK).optimizer_s
    np.testing.assert_allclose(taken, np.array([0, 1, 5]) * L * BLOCK / PEAK, atol=1e-30)


@pytest.mark.parametrize("degrees", [{"dp": 4.0}, {"dp": 2.0, "cp": 2.0}, {"cp": 4.0}])
@pytest.mark.parametrize("zero", [0.0, 1.0, 3.0])
def test_replicas_share_the_products_whether_or_not_they_share_the_states(
    degrees: dict[str, float], zero: float
) -> None:
    """github.com/KellerJordan/Muon, muon.py: each rank updates its share of the matrices and gathers the others."""
    taken = step(MUON, layout(MUON, zero=zero, **degrees), peak16_flop_per_s=PEAK).optimizer_s
    assert taken == pytest.approx(5 * L * BLOCK / 4 / PEAK)


def test_tensor_ranks_and_stages_have_their_matrices_alone() -> None:
    taken = step(MUON, layout(MUON, tp=2.0, pp=2.0), peak16_flop_per_s=PEAK).optimizer_s
    assert taken == pytest.approx(5 * L * BLOCK / 4 / PEAK)


def test_every_expert_is_a_matrix_of_its_own() -> None:
    updates = in_model(MOE.workload, "updates")
    expert = 4 * 512**2 * H + 2 * 512**3
    assert updates["routed", "expert_ranks"] == pytest.approx(L * 8 * 2 * expert)


@pytest.mark.parametrize(
    ("optimizer", "task", "count"), [("muon", "pretrain", 5), ("adamw", "pretrain", 0), ("muon", "lora", 0)]
)
def test_who_orthogonalises(optimizer: str, task: str, count: float) -> None:
    job = job_table(read_job({"model": "gpt2", "tokens": "1B", "optimizer": optimizer, "task": task}))
    assert job.newton_schulz == count
