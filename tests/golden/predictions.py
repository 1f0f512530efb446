"""The golden table: fixed inputs, and every field of what is predicted of them.

`python -m tests.golden.predictions renew` writes the predictions of the inputs anew; `add SEED COUNT` draws more of
models that read tokens, `add-images SEED COUNT` of models that are trained on images, `add-experts SEED COUNT` of
models whose experts are tensor parallel otherwise than the rest, each with a kind of loss of its own.
A commit that renews the table has one cause and names it.
"""

import csv
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from steelyard import catalog, pipeline
from steelyard.catalog import load
from steelyard.catalog.policy import policy
from steelyard.errors import SteelyardError
from steelyard.job import job_table, read_job
from steelyard.job.models import presets
from steelyard.layout import BOUNDS, parse, size, space, text_of
from steelyard.strategies.losses import LOSSES
from steelyard.tables import Offer, take

FILE = Path(__file__).with_suffix(".csv")
INPUTS = (
    "model",
    "task",
    "precision",
    "optimizer",
    "loss",
    "sequence",
    "batch",
    "system",
    "stack",
    "devices",
    "layout",
)
SITE, USD_PER_DEVICE_S, TOKENS, SAMPLES = "gcp/us-central1", 0.001, 20e9, 1e8
IMAGES = ("vit-l-16", "dit-xl-2", "resnet-50", "resnet-18")
EXPERTS = ("mixtral-8x7b", "deepseek-v3", "mixtral-8x22b", "deepseek-v2-lite")


def rows() -> list[dict[str, str]]:
    """Return the table as it is stored."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def job_of(row: dict[str, str]) -> Any:
    """Return the numbers of the job of one row."""
    words = {name: row[name] for name in ("model", "task", "precision", "optimizer", "loss") if row.get(name)}
    long = {"tokens": TOKENS, "sequence": int(row["sequence"])} if row["sequence"] else {"samples": SAMPLES}
    return job_table(read_job({**words, **long, "batch": int(row["batch"])}))


def tables_of(row: dict[str, str]) -> tuple[Any, ...]:
    """Return the arguments of `pipeline.predict` for one row."""
    facts, job = catalog.load(), job_of(row)
    system = facts.system(row["system"])
    machine = catalog.machine(system, row["precision"], facts)
    kernels = catalog.kernels(facts.accelerator(system.accelerator), row["precision"], facts)
    laid = parse(
        row["layout"], job, int(row["devices"]), int(machine.domain_devices), machine.nic_bytes_per_s,
        load().capability(row["stack"]),
    )  # fmt: skip
    stack, site = catalog.stack(row["stack"], facts, row["precision"]), catalog.site(facts.site(SITE))
    return job, laid, machine, kernels, stack, policy("on-demand"), site, Offer.rent(USD_PER_DEVICE_S)


def predicted(row: dict[str, str]) -> dict[str, str]:
    """Return every field of one row's prediction, by its path, with twelve digits."""
    made = pipeline.predict(*tables_of(row))
    return {name: f"{float(value):.12g}" for name, value in numbers(made, "")}


def numbers(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every number of a prediction with its path."""
    if not is_dataclass(value):
        yield path, value
        return
    for field in fields(value):
        yield from numbers(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))


def drawn(seed: int, count: int, only: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return inputs drawn evenly over models, systems and stacks; each model and system as often as another."""
    chance, facts = random.Random(seed), catalog.load()
    models, images, experts = list(only) or _reading_tokens(), only == IMAGES, only == EXPERTS
    systems, stacks = sorted(facts.systems), sorted(catalog.stacks(facts))
    found: list[dict[str, str]] = []
    while len(found) < count:
        row = {
            "model": models[len(found) % len(models)],
            "task": chance.choice(("pretrain", "pretrain", "pretrain", "full_ft", "lora", "qlora")),
            "precision": chance.choice(("bf16", "bf16", "bf16", "fp8", "fp16", "tf32")),
            "optimizer": chance.choice(("adamw", "adamw", "adam8bit", "lion", "muon", "sgd")),
            "loss": list(LOSSES)[len(found) % len(LOSSES)] if experts else "",
            "sequence": "" if images else str(chance.choice((512, 2048, 4096, 8192, 32768))),
            "batch": str(chance.choice((64, 512, 1536))),
            "system": chance.choice(systems),
            "stack": chance.choice(stacks),
            "devices": str(chance.choice((1, 8, 64, 64, 256, 1024))),
        }
        laid = _layout(row, chance, experts)
        if laid:
            found.append({**row, "layout": laid})
    return found


def _reading_tokens() -> list[str]:
    kinds = {"decoder", "encoder", "encdec"}
    return [name for name in presets.model_names() if presets.find_model(name).kind in kinds]


def _layout(row: dict[str, str], chance: random.Random, experts: bool) -> str:
    """Return one valid layout as text; an empty one where there is none or the precision is not for the chip."""
    try:
        job, system, able = job_of(row), catalog.load().system(row["system"]), load().capability(row["stack"])
        machine = catalog.machine(system, row["precision"], catalog.load())
        every = space(job, [int(row["devices"])], int(machine.domain_devices), able, BOUNDS)
        some = [take(every, chance.randrange(size(every))) for _ in range(4)]
        one = max(some, key=lambda laid: sum(getattr(laid, axis) > 1 for axis in ("tp", "pp", "vpp", "cp", "ep")))
        if experts:
            one = replace(one, etp=float(chance.choice((1, 2, 4, 8))))
            if "etp=" not in text_of(one):
                return ""
        text = text_of(one) + (",flash=0" if chance.random() < 0.1 else "")
        parse(text, job, int(row["devices"]), int(machine.domain_devices), machine.nic_bytes_per_s, able)
    except (SteelyardError, ValueError):
        return ""
    return text


def write(inputs: list[dict[str, str]]) -> None:
    """Write the inputs with what is predicted of each."""
    whole = [{**{name: row.get(name, "") for name in INPUTS}, **predicted(row)} for row in inputs]
    with FILE.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(whole[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(whole)


def main(words: list[str]) -> None:
    """Renew the table, or add inputs to it."""
    known = rows() if FILE.exists() else []
    match words:
        case ["renew"]:
            write(known)
        case ["add", seed, count]:
            write(known + drawn(int(seed), int(count)))
        case ["add-images", seed, count]:
            write(known + drawn(int(seed), int(count), IMAGES))
        case ["add-experts", seed, count]:
            write(known + drawn(int(seed), int(count), EXPERTS))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
