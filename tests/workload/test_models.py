"""Rows against what is known of the models they describe: parameters to the unit, 2 FLOPs a weight and token."""

import pytest

from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model, model_names
from steelyard.workload import collapse, model

SPECS = [find_model(name) for name in model_names()]
STACKS_OF_ONE = [spec for spec in SPECS if spec.kind == "decoder"]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_rows_hold_every_parameter(spec):
    numbers = architecture(spec)
    work = collapse(model(numbers, 1024, 0), 2.0)
    assert work.params == numbers.total_params
    assert work.active_params == pytest.approx(numbers.active_params, rel=1e-12)


@pytest.mark.parametrize("spec", STACKS_OF_ONE, ids=lambda spec: spec.name)
def test_products_are_two_flop_a_weight_that_a_token_visits(spec):
    """Kaplan et al. 2020, arXiv 2001.08361, section 2.1; norms, router and look-ups are no products of a row."""
    numbers = architecture(spec)
    work = collapse(model(numbers, 1024, 0), 2.0)
    tied = numbers.vocab * numbers.hidden * (numbers.head_params == 0)
    visited = numbers.active_params - numbers.embedding_params - numbers.extra_params + tied
    assert (work.product_flop + work.head_flop) / 1024 == pytest.approx(2 * visited, rel=0.03)


def test_an_encoder_decoder_computes_its_targets_alone_in_the_decoder():
    """T5-base, 512 inputs and 114 targets: 142.0 GFLOP forward (torch's counter), the decoder's scores whole there."""
    numbers = architecture(find_model("t5-base"))
    work = collapse(model(numbers, 512, 0), 2.0)
    targets, width = 114, numbers.heads * numbers.head_dim
    whole = work.product_flop + work.head_flop + work.attention_flop + 12 * 2 * width * targets**2
    assert whole == pytest.approx(142.0e9, rel=5e-4)
    assert [block.name for block in work.blocks] == ["encoder dense", "decoder dense"]


@pytest.mark.parametrize("name", ["gpt2", "llama-3-8b", "llama-3.2-1b"])
def test_a_partition_by_cost_weighs_the_whole_table_tied_or_not(name):
    """nanotron counts the output projection by its shape, V h weights, against those of a block."""
    numbers = architecture(find_model(name))
    block = (
        numbers.total_params - numbers.embedding_params - numbers.head_params - numbers.extra_params
    ) / numbers.layers
    assert model(numbers, 1024, 0).divisible.projection == pytest.approx(
        numbers.vocab * numbers.hidden / block, rel=1e-6
    )
