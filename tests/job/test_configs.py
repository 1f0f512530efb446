"""A `config.json` of every family gives the parameters, and the shape, of the preset that it belongs to."""

import json
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.job.configs import CONFIGS, llama_like, t5

from steelyard.errors import BadInput
from steelyard.job.models import configs
from steelyard.job.models.architecture import architecture
from steelyard.job.models.families_moe import layers_at, meeting_layers
from steelyard.job.models.presets import find_model, model_names
from steelyard.workload import Architecture

SHAPE = [field.name for field in fields(Architecture) if field.name != "dropout"]


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_gives_the_numbers_of_its_preset(name: str) -> None:
    read = architecture(configs.model_of_config(CONFIGS[name], "config.json"))
    preset = architecture(find_model(name))
    assert {field: getattr(read, field) for field in SHAPE} == {field: getattr(preset, field) for field in SHAPE}


def test_every_family_of_the_presets_has_a_config_here() -> None:
    kinds = {find_model(name).model_type for name in CONFIGS}
    missing = {find_model(name).model_type for name in model_names()} - kinds - {"", "dit"}
    assert missing == {"roberta"}  # its preset counts neither pooler nor segments; see below


def test_roberta_has_the_two_position_rows_the_segment_and_the_pooler_that_its_preset_leaves_out() -> None:
    config = {"model_type": "roberta", "max_position_embeddings": 514, "type_vocab_size": 1, "vocab_size": 50265}
    shape = {"num_hidden_layers": 12, "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    read = architecture(configs.model_of_config(config | shape, "config.json"))
    assert read.total_params - architecture(find_model("roberta-base")).total_params == 2 * 768 + 768 + 768 * 768 + 768


def test_gemma_3_leaves_out_what_its_class_knows() -> None:
    nested = {"model_type": "gemma3_text", "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34}
    config = {"model_type": "gemma3", "text_config": {**nested, "sliding_window": 1024}, "vision_config": {}}
    read = architecture(configs.model_of_config(config, "config.json"))
    preset = architecture(find_model("gemma-3-4b"))
    assert read.total_params - preset.total_params == (262208 - 262144) * 2560  # 64 image tokens
    assert (read.windowed_layers, read.window_tokens) == (preset.windowed_layers, preset.window_tokens)


def test_t5_1_1_is_gated_and_untied() -> None:
    v1_0 = configs.model_of_config(CONFIGS["t5-small"], "config.json")
    new = CONFIGS["t5-small"] | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
    v1_1 = configs.model_of_config(new, "config.json")
    assert (v1_0.mlp, v1_0.tied, v1_1.mlp, v1_1.tied) == ("relu", True, "geglu", False)


@pytest.mark.parametrize(
    ("kind", "tied"), [("llama", False), ("gemma2", True), ("smollm3", True), ("qwen2", False), ("cohere", True)]
)
def test_what_a_file_leaves_out_about_tying_is_the_class_default(kind: str, tied: bool) -> None:
    config = {key: value for key, value in CONFIGS["llama-3-70b"].items() if key != "model_type"}
    assert configs.model_of_config({"model_type": kind, **config}, "config.json").tied is tied


def test_qwen2_moe_has_a_shared_expert_of_its_own_width_behind_a_gate() -> None:
    # Qwen1.5-MoE-A2.7B: 14.3B parameters, 2.7B activated (qwenlm.github.io/blog/qwen-moe), shapes of its config.json.
    config = CONFIGS["qwen2.5-7b"] | {
        "model_type": "qwen2_moe",
        "num_hidden_layers": 24,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "vocab_size": 151936,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "num_experts": 60,
        "num_experts_per_tok": 4,
    }
    read = architecture(configs.model_of_config(config, "config.json"))
    assert read.total_params == pytest.approx(14.3e9, rel=0.005)
    assert read.active_params == pytest.approx(2.7e9, rel=0.01)


def test_layers_of_a_period_are_those_counted_one_by_one() -> None:
    for layers, period, offset, period_2, offset_2 in product(
        (1, 5, 24, 37), range(1, 6), range(7), range(1, 6), range(7)
    ):
        one = [layer for layer in range(layers) if layer % period == offset]
        both = [layer for layer in one if layer % period_2 == offset_2]
        assert layers_at(layers, period, offset) == len(one)
        assert layers_at(layers, *meeting_layers((period, offset), (period_2, offset_2))) == len(both)


@pytest.mark.parametrize(
    ("offsets", "attention", "both"),
    [({}, 4, 0), ({"attn_layer_offset": 3}, 4, 4), ({"attn_layer_period": 3, "attn_layer_offset": 2}, 10, 5)],
)
def test_jamba_counts_the_layers_with_attention_and_experts(offsets: dict[str, int], attention: int, both: int) -> None:
    """Experts in layers 1, 3 ... 31; attention in 4, 12 ...; in 3, 11 ...; in 2, 5 ... 29."""
    read = configs.model_of_config(CONFIGS["jamba-v0.1"] | offsets, "config.json")
    assert (read.attention_layers, read.attention_moe_layers, read.moe_layers) == (attention, both, 16)
    assert architecture(read).attention_moe_layers == both


def test_gpt_neo_2_7b() -> None:
    # 2.65B parameters: huggingface.co/EleutherAI/gpt-neo-2.7B, shapes of its config.json.
    config = {
        "model_type": "gpt_neo",
        "num_layers": 32,
        "hidden_size": 2560,
        "num_heads": 20,
        "max_position_embeddings": 2048,
        "vocab_size": 50257,
        "window_size": 256,
        "attention_layers": ["global", "local"] * 16,
    }
    read = configs.model_of_config(config, "config.json")
    assert architecture(read).total_params == pytest.approx(2.65e9, rel=0.005)
    assert (read.windowed_layers, read.window_tokens, read.attention_bias) == (16, 256, "o")


# Families without a preset: the count that the model's page on huggingface.co gives, to the unit.
PAGES = {
    "stabilityai/stablelm-3b-4e1t": (2795443200, llama_like("stablelm", (32, 2560, 6912, 32, 32), 50304, 4096)),
    "stabilityai/stablelm-2-1_6b": (
        1644515328,
        llama_like("stablelm", (24, 2048, 5632, 32, 32), 100352, 4096, use_qkv_bias=True),
    ),
    "internlm/internlm2-7b": (7737708544, llama_like("internlm2", (32, 4096, 14336, 32, 8), 92544, 32768)),
    "baichuan-inc/Baichuan2-7B-Base": (7505973248, llama_like("baichuan", (32, 4096, 11008, 32, 32), 125696, 4096)),
    "CohereForAI/c4ai-command-r-plus": (
        103810674688,
        llama_like("cohere", (64, 12288, 33792, 96, 8), 256000, 131072, use_qk_norm=True),
    ),
    "THUDM/glm-4-9b": (
        9399951360,
        llama_like("glm", (40, 4096, 13696, 32, 2), 151552, 131072, head_dim=128, attention_bias=True),
    ),
    "THUDM/GLM-4-9B-0414": (
        9400279040,
        llama_like("glm4", (40, 4096, 13696, 32, 2), 151552, 32768, head_dim=128, attention_bias=True),
    ),
    "google/mt5-small": (
        300176768,
        t5(512, 1024, 6, 64, 8, num_decoder_layers=8) | {"model_type": "mt5", "vocab_size": 250112},
    ),
}


@pytest.mark.parametrize("page", PAGES)
def test_a_config_gives_the_count_of_its_page(page: str) -> None:
    count, config = PAGES[page]
    assert architecture(configs.model_of_config(config, "config.json")).total_params == count


def test_granite_moe_and_olmo_3() -> None:
    # 1.3B and 0.4B activated: huggingface.co/ibm-granite/granite-3.0-1b-a400m-base; windows: allenai/Olmo-3-1025-7B.
    moe = {"num_local_experts": 32, "num_experts_per_tok": 8, "tie_word_embeddings": True}
    granite = llama_like("granitemoe", (24, 1024, 512, 16, 8), 49155, 4096, **moe)
    numbers = architecture(configs.model_of_config(granite, "config.json"))
    assert (round(numbers.total_params / 1e9, 1), round(numbers.active_params / 1e9, 1)) == (1.3, 0.4)
    types = (["sliding_attention"] * 3 + ["full_attention"]) * 8
    olmo = llama_like("olmo3", (32, 4096, 11008, 32, 32), 100278, 65536, sliding_window=4096, layer_types=types)
    read = configs.model_of_config(olmo, "config.json")
    assert (read.windowed_layers, read.window_tokens, read.qk_norm) == (24, 4096, "full")


@pytest.mark.parametrize(
    ("kind", "near"), [("resnet", ""), ("lama", "llama"), ("qwen4", "qwen3"), ("mamba", "jamba"), ("gpt5", "gpt2")]
)
def test_another_family_is_refused_with_the_nearest(kind: str, near: str) -> None:
    with pytest.raises(BadInput, match=f"model_type '{kind}' is not one that can be read; nearest: .*{near}"):
        configs.model_of_config({"model_type": kind, "hidden_size": 64}, "config.json")


def write(folder: Path, text: str) -> Path:
    file = folder / "config.json"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_folder_and_its_file_are_the_same_model(tmp_path: Path) -> None:
    file = write(tmp_path, json.dumps(CONFIGS["llama-2-7b"]))
    assert configs.read_config(tmp_path) == configs.read_config(file)
    assert configs.read_config(file).name == tmp_path.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"model_type": "llama", "hidden_si', "broken JSON in line 1, column"),
        ("", "broken JSON"),
        ("[]", "holds no fields"),
        ("{}", "model_type is missing"),
        ('{"model_type": 5}', "model_type is 5; it must be text"),
        ('{"model_type": "llama"}', "hidden_size is missing"),
        ('{"model_type": "llama", "text_config": 5}', "text_config is 5; it must be a mapping"),
    ],
)
def test_a_broken_file_is_one_clear_message(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        configs.read_config(write(tmp_path, text))


def test_what_is_not_a_text_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(BadInput, match="it is not text"):
        configs.read_config(file)
    with pytest.raises(BadInput, match="no such file"):
        configs.read_config(tmp_path / "missing.json")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match=r"holds no config\.json"):
        configs.read_config(tmp_path / "empty")


@pytest.mark.parametrize("name", CONFIGS)
@given(data=st.data())
def test_a_spoilt_field_is_a_model_or_one_message(name: str, data: st.DataObject) -> None:
    config: dict[str, Any] = dict(CONFIGS[name])
    field = data.draw(st.sampled_from([key for key in config if key != "model_type"]))
    wrong: st.SearchStrategy[Any] = st.sampled_from([None, -1, 0, 1.5, "wide", True, [], [1], {}, {"a": 1}, 10**30])
    spoilt = data.draw(wrong)
    try:
        numbers = architecture(configs.model_of_config({**config, field: spoilt}, "config.json"))
    except BadInput as error:
        message = str(error)
    else:
        message = ""
        assert numbers.total_params > 0
    assert len(message.splitlines()) <= 1


@given(st.sampled_from(sorted(CONFIGS)), st.integers(0, 600))
def test_a_file_cut_off_anywhere_is_one_message(name: str, end: int) -> None:
    text = json.dumps(CONFIGS[name])[:-1][:end]
    with pytest.raises(BadInput, match=r"broken JSON|cannot be read"):
        configs.model_of_config(configs.load_json(text, "config.json"), "config.json")
