"""How words are found in what people write of a run: what a text says, and what it denies and so does not say.

One way to look a word up for all readers: `named` finds words but where the text denies them, `denied` tells whether it
does. A word that is followed by a version number or by another sentence is said: `Liger 0.5.2`, `compile: no graph
breaks`.
"""

import re
from functools import lru_cache

Patterns = tuple[tuple[str, str], ...]
"""Patterns in the order in which they are tried, each with the word that it means."""

_KEPT = 1 << 14
"""Texts that are kept: runs of one source say the same in the same words."""

_NOT = (
    r"(?:no|not|non|never|cannot|without|w/o|w/out|neither|nor|instead of|rather than|unable to|disabl(?:e[sd]?|ing)"
    r"|lack(?:s|ing)|\w+n['’]t|(?:turn|switch)(?:e[sd]|ing|s|ed)? off|deactivat(?:e[sd]?|ing)|remov(?:e[sd]?|ing)"
    r"|(?:skip|omit)(?:s|[pt]ed|[pt]ing)?|avoid(?:s|ed|ing)?)"
)
_FILLED = (
    r"(?:(?:us(?:e[sd]?|ing)|use of|any|the|an?|with|appl(?:y|ied|ying)|enabl(?:e[sd]?|ing)|have|has"
    r"|need(?:ed|s)?(?: for| to)?|requir(?:e[sd]?|ing))[ _-]+)*"
)
_LISTED = (
    r"(?:[\w.+-]+(?:,? [\w.+-]+){0,3},? (?:or|nor) |[\w.+-]+/"
    r"|(?:[\w.+-]+, ){1,3}(?=[\w.+-]+(?:[, ]+[\w.+-]+){0,5},? (?:or|nor) ))?"
)
_NOUN = r"(?: (?:kernels?|mode|support|option|flag|wrapping|states?))?(?:[ =v]+\d+(?:\.\d+)+)?"
_HOLDS_NOT = (
    r"(?:used|using|enabled|applied|active|activated|installed|available|supported|on|turned on|in use|set"
    r"|needed|required|necessary|possible)"
)
_ENDED = r"(?=\s*(?:$|[;,.)\]}|]|(?:for|in|on|here|because|since|as|from|due)\b))"
_NEGATIVE = (
    r"(?:off(?![\w-])|false\b|disabled?\b|[✗✘❌]|deactivated\b|un(?:used|available|supported|needed|necessary)\b"
    rf"|(?:removed|omitted|skipped|avoided|dropped){_ENDED}|(?:no|none|null|never)(?=[\"'\s]*(?:$|[;,.)\]}}|]))"
    rf"|(?:not|cannot|\w+n['’]t) (?:been |be )?{_HOLDS_NOT}\b)"
)
_VERB = r"(?:\s+(?:is|was|are|were|be|been|has|had|have|to|must|could|can|turned|switched|set to|set)\b)*"
_AFTER = (
    rf"[\"')]*(?:(?:{_VERB}|\s*(?:[=:(]|->))\s*[\"']?{_NEGATIVE}|\s*[=:]\s*(?:[\"']?0(?![.\d])|\"\"|''|\[\]|\{{\}}))"
)
_OPEN = (
    r"(?:\s+and [\w -]{1,20}?)?(?:\s+(?:is|was|are|were))?\s*[=:(]?\s*(?:not (?:stated|given|mentioned|specified"
    r"|printed|published|known|read|restated|reported|said)|unstated|unknown|unclear|unspecified|\?"
    r"|(?:only )?(?:considered|contemplated|planned|discussed)\b)"
)
_WEIGHED = r"(?<![a-z0-9])(?:consider(?:ed|ing)?|contemplat(?:ed|ing)|(?:might|may|could)(?= (?:use|enable|apply))) "

_FAILING = (
    r"(?:ooms?|out[ -]of[ -]memory|(?:not|cannot|\w+n['’]t) (?:fit|run|train)|crash(?:es|ed)?|fail(?:s|ed)?|impossible)"
)
_WITHOUT = r"(?<![a-z0-9])(?:without|w/o|w/out)"
_BETWEEN = r"(?: (?!and|so|but|then|ran|run|train|when)[\w-]+){0,3} "
_WHOSE = r"(?: (?:[^;,.]|\.(?=\w)){1,40},? (?:it|this|we|training|the (?:run|job|model)) (?:\w+ ){0,2})"
_FAILS_WITHOUT = re.compile(rf"(?P<fails>\b{_FAILING}{_BETWEEN}){_WITHOUT}(?= )|{_WITHOUT}(?={_WHOSE}{_FAILING}\b)")
"""A condition of failing: what a run does not fit without, it has."""


@lru_cache(maxsize=1024)
def denial(pattern: str) -> re.Pattern[str]:
    """Return what finds the places where a text in small letters says that some words do not hold.

    Before the words (`no X`, `without X`, `w/o X`, `not using X`, `no_x`, `disable_x`, `no A or X`) or behind them
    (`X off`, `X: no`, `x=False`, `X is not used`). A switch that turns a denial off, `disable_x=False`, denies nothing.

    Args:
        pattern: a regular expression of them.

    >>> texts = ("no liger", "w/o Liger", "liger not used", "use_liger_kernel = False", "liger: off", "liger=0")
    >>> all(denial("liger").search(text.lower()) for text in texts)
    True
    >>> texts = ("liger 0.5.2", "liger 0", "liger==0.5.2", "liger: no padding", "no compile, liger", "no_liger=false")
    >>> any(denial("liger").search(text) for text in texts)
    False
    """
    word = rf"(?:{pattern})[\w-]*"
    unlike = r"(?![\"']?\s*[=:]\s*[\"']?(?:false|0|no)\b)"
    more = rf"(?: ?(?:/|,? ?or|,? ?nor|and) {word})*"
    before = rf"(?<![a-z0-9]){_NOT}[ _-]+{_FILLED}{_LISTED}(?:[\w.]+[_.])?{word}{more}{unlike}"
    behind = rf"(?<![\w.-])(?!(?:no|disable|without)[_-])(?:[\w.-]+[_.-])?{word}{_NOUN}{_AFTER}"
    return re.compile(f"{before}|{behind}")


@lru_cache(maxsize=1024)
def _open(pattern: str) -> re.Pattern[str]:
    """Return what finds the places where a text says that it is not known whether some words hold."""
    return re.compile(rf"(?:{pattern})[\w-]*{_OPEN}|{_WEIGHED}{_FILLED}(?:{pattern})[\w-]*")


def conditions_met(text: str) -> str:
    """Return a text in small letters with `with` for the `without` of what a run would fail without.

    >>> texts = ("OOM without Liger", "Without Liger it does not fit", "did not fit; without Liger")
    >>> [conditions_met(text) for text in texts]
    ['oom with liger', 'with liger it does not fit', 'did not fit; without liger']
    """
    return _FAILS_WITHOUT.sub(lambda found: f"{found['fails'] or ''}with", text.lower())


def affirmed(text: str, pattern: str) -> str:
    """Return a text in small letters without the places where it denies some words, or leaves them open.

    >>> [affirmed(text, "compile") for text in ("HF Trainer, no compile", "compile=True", "compile: no graph breaks")]
    ['hf trainer,  ', 'compile=true', 'compile: no graph breaks']
    >>> affirmed("checkpointing not stated; LoRA", "checkpointing")
    ' ; lora'
    """
    return _open(pattern).sub(" ", denial(pattern).sub(" ", conditions_met(text)))


def named(pattern: str, text: str) -> re.Match[str] | None:
    """Return where a text says some words, in small letters; None where it does not, or denies them.

    >>> named("liger|foak", "HF Trainer + Liger 0.5.2")[0], named("liger|foak", "no Liger or foak")
    ('liger', None)
    """
    return re.search(pattern, affirmed(text, pattern)) if re.search(pattern, text.lower()) else None


def denied(pattern: str, text: str) -> bool:
    """Tell whether a text denies some words, and nowhere says them.

    >>> denied("fsdp", "HF Trainer without FSDP"), denied("fsdp", "FSDP2"), denied("fsdp", "NeMo")
    (True, False, False)
    """
    return bool(denial(pattern).search(conditions_met(text))) and named(pattern, text) is None


@lru_cache(maxsize=_KEPT)
def meaning(text: str, patterns: Patterns) -> str:
    """Return the word that a text means, by the first pattern that it says as a word of its own; else the text.

    >>> [meaning(text, ((r"fp8|e4m3", "fp8"), ("bf16", "bf16"))) for text in ("BF16 (no FP8)", "FP8", "int3")]
    ['bf16', 'fp8', 'int3']
    """
    return next((name for words, name in patterns if named(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", text)), text)


_NEGLIGIBLE = re.compile(r"\s*\([^)]*\)")


@lru_cache(maxsize=_KEPT)
def exact_meaning(text: str, patterns: Patterns) -> str:
    """Return the word that a text is, from its beginning to its end but for brackets; else the text as it stands.

    >>> [exact_meaning(text, (("full([ _-]shard)?", "fsdp"),)) for text in ("FULL_SHARD", "full (fsdp2)", "fully")]
    ['fsdp', 'fsdp', 'fully']
    """
    plain = _NEGLIGIBLE.sub("", text).strip().lower() or text.strip().lower()
    plain = re.sub("^(deepspeed|pytorch|torch|using|with) ", "", plain)
    return next((name for words, name in patterns if re.fullmatch(words, plain)), text)
