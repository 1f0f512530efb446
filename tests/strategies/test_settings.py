"""Words and numbers of settings, and what files of schedules may not share."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from steelyard.strategies import registry
from steelyard.strategies.experts import usual_expert_tensor
from steelyard.strategies.recipe_settings import RECIPE_SETTINGS
from steelyard.strategies.registry import SCHEDULES, found_schedules, usual_code
from steelyard.strategies.settings import spelled_number


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("123456789", 123456789), ("1234567890", None), ("٣", None), ("-1", None)]
)
def test_a_number_is_of_few_plain_digits(text: str, number: int | None) -> None:
    assert spelled_number("tp", text) == number


@pytest.mark.parametrize("setting", ["sp", "flash", "offload"])
@pytest.mark.parametrize(
    ("word", "number"), [("no", 0), ("off", 0), ("false", 0), ("yes", 1), ("on", 1), ("true", 1), ("both", None)]
)
def test_words_of_yes_and_no(setting: str, word: str, number: int | None) -> None:
    assert spelled_number(setting, word) == number


@pytest.mark.parametrize(
    ("setting", "word", "number"),
    [
        ("recompute", "no", 0),
        ("recompute", "yes", 2),  # torch.utils.checkpoint: the block keeps its input alone
        ("zero", "zero1", 1),  # arXiv 1910.02054: optimizer states
        ("zero", "zero2", 2),  # and gradients
        ("zero", "zero3", 3),  # and parameters
        ("zero", "fsdp", 3),  # arXiv 2304.11277, section 3.1
        ("zero", "hsdp", 3),  # the same within a group
        ("zero", "zero-1", 1),  # as DeepSpeed's documentation writes stages
        ("zero", "zero-2", 2),
        ("zero", "zero-3", 3),
        ("zero", "ddp", 0),
        ("zero", "no_shard", 0),  # docs.pytorch.org FSDP, ShardingStrategy
        ("zero", "shard_grad_op", 2),
        ("zero", "full_shard", 3),
        ("zero", "hybrid_shard", 3),
    ],
)
def test_other_words_of_a_setting(setting: str, word: str, number: int) -> None:
    assert spelled_number(setting, word) == number


def test_two_chunks_are_interleaved_where_a_stack_names_no_schedule() -> None:
    assert [usual_code((), chunks) for chunks in (1, 2, 4)] == [0, 1, 1]


@pytest.mark.parametrize("shared", [{"name": "1f1b"}, {"code": 0}])
def test_schedules_share_neither_name_nor_number(shared: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(SCHEDULES["interleaved"], **({"name": "other", "code": 7} | shared))
    real = registry.importlib.import_module

    def imported(name: str) -> SimpleNamespace:
        return SimpleNamespace(**vars(real(name)), **({"OTHER": other} if name.endswith("interleaved") else {}))

    monkeypatch.setattr(registry.importlib, "import_module", imported)
    with pytest.raises(ValueError, match="share a name or a number"):
        found_schedules()


def test_interleaving_holds_no_more_than_there_are() -> None:
    assert SCHEDULES["interleaved"].in_flight(4, 2, 0, 3) == 3


def test_experts_of_two_ranks_are_whole() -> None:
    assert [float(usual_expert_tensor(8, ranks)) for ranks in (1, 2, 4)] == [8, 1, 1]


@pytest.mark.parametrize(
    ("name", "word", "entry", "value"),
    [
        ("states", "16", "grad_bytes", 2.0),  # 2 + 2 + 12 bytes
        ("states", "18", "grad_bytes", 4.0),  # 2 + 4 + 12 bytes
        ("gradients", "persistent", "grad_life", 0.0),
        ("gradients", "autograd", "grad_life", 1.0),
        ("gradients", "fused", "grad_life", 2.0),
        ("weights", "device", "weights_on_host", 0.0),
        ("weights", "host", "weights_on_host", 1.0),
        ("activations", "device", "saved_on_host", 0.0),
        ("activations", "host", "saved_on_host", 1.0),
        ("optimizer_step", "foreach", "step_copies", 1.0),
        ("optimizer_step", "fused", "step_copies", 0.0),
        ("optimizer_states", "device", "states_paged", 0.0),
        ("optimizer_states", "paged", "states_paged", 1.0),
        ("logits", "parallel", "logits_gathered", 0.0),
        ("logits", "gathered", "logits_gathered", 1.0),
        ("kernels", "eager", "norm_copies", 1.0),
        ("kernels", "fused", "norm_copies", 0.0),
    ],
)
def test_words_of_a_recipe_mean_what_they_say(name: str, word: str, entry: str, value: float) -> None:
    (setting,) = (one for one in RECIPE_SETTINGS if one.name == name)
    assert setting.meanings[word][entry] == value
