"""Policies of recomputation by arXiv 2205.05198: what of a block stays, and what of its forward pass runs again."""

import pytest
from tests.shapes import gpt, layout, pretraining
from tests.step.neutral import peak, step

from steelyard.strategies.recompute import POLICIES, RECOMPUTE, RecomputePolicy
from steelyard.strategies.settings import setting_names

L, H, A, S = 4.0, 1024.0, 16.0, 512.0
JOB = pretraining(gpt(L, H, A, 8.0), S, 1)
AGAIN = ("products", "unfused_core", "fused_core", "pointwise", "exchanges")


def test_policies_have_their_names_and_numbers() -> None:
    assert RECOMPUTE == ("none", "selective", "full") == tuple(setting_names("recompute"))


@pytest.mark.parametrize(
    ("number", "again"),
    [
        (0, (0, 0, 0, 0, 0)),  # section 4.1: all activations are stored
        (1, (0, 1, 0, 0.5, 0)),  # section 5: scores, softmax and dropout; half of what is element-wise is chosen
        (2, (1, 1, 1, 1, 1)),  # section 5: a second forward pass, its exchanges between ranks too
    ],
)
def test_what_of_a_forward_pass_runs_again(number: int, again: tuple[float, ...]) -> None:
    assert tuple(getattr(POLICIES[number], name) for name in AGAIN) == again


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (0, 34 * S * H + 5 * A * S**2),  # equation 1
        (1, 34 * S * H),  # table 2: what grows with the square of the sequence does not stay
        (2, 2 * S * H),  # table 2: the input of the block, 16 bits
    ],
)
def test_what_of_a_block_stays(number: int, kept: float) -> None:
    """Bytes of one block and one sequence, its scores formed in memory; of a second block, since one runs again."""
    held = []
    for layers in (L, L + 1):
        job = pretraining(gpt(layers, H, A, 8.0), S, 1)
        held.append(float(peak(job, layout(job, flash=0.0, recompute=float(number))).activations_bytes))
    assert held[1] - held[0] == pytest.approx(kept)


def test_full_recomputation_sends_its_forward_exchanges_again() -> None:
    """Section 4.2.2: two all-reduces of the hidden state forward, two backward; with a second forward pass six."""
    none, full = (step(JOB, layout(JOB, tp=2.0, recompute=code), nic_bytes_per_s=1e9).tp_s for code in (0.0, 2.0))
    assert full == pytest.approx(6 / 4 * none)


@pytest.mark.parametrize("policy", POLICIES, ids=RECOMPUTE)
def test_what_does_not_stay_runs_again(policy: RecomputePolicy) -> None:
    """A block of which the input alone stays runs again whole; dropped scores with their core."""
    assert all(getattr(policy, name) == 1 for name in AGAIN) == policy.input_alone
    assert policy.dropped == (frozenset({"scores"}) if policy.unfused_core and not policy.input_alone else frozenset())
    assert bool(policy.kept_share) == bool(policy.dropped)
    assert policy.kept_share in {"", "selective_scale"}
