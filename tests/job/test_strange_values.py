"""Values that nothing has are refused with the way out; a part of a model is counted as that part."""

import pytest

import steelyard
from steelyard.catalog import load
from steelyard.catalog.stack_names import rule_of_name
from steelyard.errors import BadInput
from steelyard.job.models.architecture import architecture
from steelyard.job.models.configs import read_config

JOB = {"model": "llama-3-8b", "tokens": "1B", "sequence": 4096, "global_batch": 512}


@pytest.mark.parametrize("rate", [1e308, "1e308", 1e13, "1e-300", 0])
def test_a_rate_that_no_device_has_is_refused(rate: object) -> None:
    with pytest.raises(BadInput, match="is no rate of a device"):
        steelyard.estimate(JOB, "H100:64", rate=rate)


@pytest.mark.parametrize("entry", ["cast=5", "weights_on_host=2", "grad_life=3", "expert_loop=1.5"])
def test_a_flag_of_a_recipe_is_0_or_1(entry: str) -> None:
    with pytest.raises(BadInput, match="it takes a number from 0 to"):
        steelyard.estimate({**JOB, "recipe": entry}, "H100:64")


def test_no_layout_is_none() -> None:
    taken = [steelyard.estimate(JOB, "H100:64", layout=one).layout_text for one in (None, "")]
    assert taken[0] == taken[1]


def test_a_library_is_none_of_another_whose_name_it_ends_with() -> None:
    rules = load().stack_rules
    assert rule_of_name(rules, "x-transformers").stack == "any"
    assert {rule_of_name(rules, name).stack for name in ("transformers 4.46", "HF transformers")} == {"hf-trainer"}


def test_the_encoder_of_t5_alone_is_counted_alone(tmp_path) -> None:
    """google/t5-v1_1-xxl as image models have it: 24 blocks, a table of 32,128 words and no head, 4,762,310,656."""
    text = """{"architectures": ["T5EncoderModel"], "model_type": "t5", "d_model": 4096, "d_ff": 10240, "d_kv": 64,
    "num_heads": 64, "num_layers": 24, "num_decoder_layers": 24, "vocab_size": 32128, "n_positions": 512,
    "feed_forward_proj": "gated-gelu", "tie_word_embeddings": false, "is_encoder_decoder": true}"""
    path = tmp_path / "config.json"
    path.write_text(text)
    numbers = architecture(read_config(path))
    blocks = 24 * (4 * 4096 * 4096 + 3 * 4096 * 10240 + 2 * 4096)
    assert numbers.total_params == blocks + 32128 * 4096 + 4096 + 32 * 64 == 4_762_310_656
    assert (numbers.encoder_layers, numbers.causal) == (24, 0)
    path.write_text(text.replace("T5EncoderModel", "T5ForConditionalGeneration"))
    assert architecture(read_config(path)).total_params > 2 * 4.76e9
