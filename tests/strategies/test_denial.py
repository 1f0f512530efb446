"""Words that a text denies are not said by it; with a version, a colon or another sentence behind them they are."""

import pytest

from steelyard.strategies.denial import affirmed, denied, meaning, named

DENIALS = (
    "no {}", "not {}", "without {}", "w/o {}", "not using {}", "does not use {}", "doesn't use {}", "never {}",
    "disabled {}", "disable {}", "no LayerNorm or {}", "others instead of {}", "no_{}", "--no-{}", "(no {})",
    "no {}; bf16",
    "{} off", "{}: off", "{} (off)", "{} turned off", "{} disabled", "{} is disabled", "{} unused", "{} not used",
    "{} is not used", "{} was not enabled", "{} isn't used", "{}=False", "{} = false", "{}: false", "{} : False",
    "{}=0",
    "{}: 0", "{}=no", "{}: no", "{}: none", "{}=None", '"{}": false', "use_{}=False", "NeMo, {} off, bf16",
    "{} kernels are not enabled", "{} 0.5.2 disabled", "no ema, {} or padding", "no {}, ema or padding", "{}: ✗",
    "turned off {}", "switched off {}", "turning off the {}", "deactivated {}", "removed {}", "skip {}", "skipped {}",
    "avoid {}", "omitted {}", "no need for {}", "no need to use {}", "did not need {}", "unable to enable {}",
    "{} had to be disabled", "{} could not be enabled", "{} cannot be used", "{} not needed", "{} was not required",
    "{} omitted", "{} removed", "{} was removed for speed", "{} unavailable", "{} unavailable on this GPU",
    "{} is unsupported here", "{} had to be turned off", "OOM; without {}", "fits without {}",
    "did not fit at 8k, then without {}", "did not fit and ran without {}",
)  # fmt: skip
"""Ways in which people say that something does not hold."""

AFFIRMATIONS = (
    "{}", "with {}", "use {}", "{} 0.5.2", "{} 0", "{}=0.5.2", "{}==0.5.2", "{} v0.3", "{} on", "{}: on", "{} enabled",
    "{}=True", "{} = true", "{}: true", "{}=1", "{}: yes", "{}: no padding", "{}; no padding", "{}, no padding",
    "no padding, {}", "no padding; {}", "no ema or padding, {}", "{} (no padding)", "disable_{}=False",
    "no_{}=false", "not only {} but more",
    "OOM without {}", "OOMs at 8k without {}", "out of memory without {}", "does not fit without {}",
    "would not fit without {}", "doesn't fit w/o {}", "crashes without {}", "without {} it does not fit",
    "without {}, it runs out of memory",
)  # fmt: skip
"""Ways in which they say that it does."""

WEIGHED = ("{} was considered", "{} considered", "considered {}", "{} planned", "might use {}", "could use {}")
"""Ways in which they say that it might hold."""

WORDS = ("liger", "compile", "unsloth", "fsdp", "gptq", "flash_attention", "gradient checkpointing", "load_in_4bit")


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("form", DENIALS)
def test_a_denied_word_is_not_said(word: str, form: str) -> None:
    text = form.format(word)
    assert named(word, text) is None, affirmed(text, word)
    assert denied(word, text)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("form", AFFIRMATIONS)
def test_a_word_is_said(word: str, form: str) -> None:
    text = form.format(word)
    found = named(word, text.upper())
    assert found is not None
    assert found[0] == word
    assert not denied(word, text)


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("form", ["{} not stated", "{} unknown", "{} is not printed", "{}: unspecified", *WEIGHED])
def test_a_word_that_is_left_open_is_neither_said_nor_denied(word: str, form: str) -> None:
    assert named(word, form.format(word)) is None
    assert not denied(word, form.format(word))


def test_other_words_keep_what_is_said_beside_a_denial() -> None:
    text = "HF Trainer, no compile, Liger 0.5.2; FSDP off"
    assert named("liger", text)
    assert denied("compile", text)
    assert denied("fsdp", text)
    assert not denied("liger", text)
    assert meaning("bf16, no fp8", (("fp8", "fp8"), ("bf16", "bf16"))) == "bf16"


def test_a_word_said_once_is_said_though_it_is_denied_elsewhere() -> None:
    assert named("liger", "no Liger in the baseline; this run: Liger 0.5")
    assert not denied("liger", "no Liger in the baseline; this run: Liger 0.5")
