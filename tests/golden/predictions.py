"""The golden table: fixed inputs, and every field of what is predicted of them.

`python -m tests.golden.predictions renew` writes the predictions of the inputs anew; `add SEED COUNT` draws more of
models that read tokens, `add-images SEED COUNT` of models that are trained on images, `add-experts SEED COUNT` of
models whose experts are tensor parallel otherwise than the rest, each with a kind of loss of its own, `add-rings SEED
COUNT` of sequences that so many ranks share that attention does not hide their ring of keys and values.
A commit that renews the table has one cause and names it.
"""

import csv
import math
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
from steelyard.job.purchase import BILLED_MONTH_S, YEAR_S
from steelyard.layout import BOUNDS, parse, size, space, text_of
from steelyard.money import kept_usd_per_s, moving_usd
from steelyard.strategies.losses import LOSSES
from steelyard.tables import Offer, take
from steelyard.units import KWH_J
from steelyard.vocabulary import OWNED, PURCHASES, TERM_YEARS

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
    "site",
    "marginal_kg_per_kwh",
    "purchase",
    "used_share",
    "data_tb",
)
TOKENS, SAMPLES = 20e9, 1e8
USD_PER_DEVICE_S = {"on-demand": 0.001, "spot": 0.0004, "reserved-1y": 0.0007, "reserved-3y": 0.0005, "own": 0.0003}
USD_PER_KWH, USD_PER_GB_MONTH, USD_PER_GB_MOVED = 0.12, 0.02, 0.09
SITES = (
    "gcp/us-central1",
    "gcp/europe-north1",
    "aws/eu-central-1",
    "aws/us-east-1",
    "azure/swedencentral",
    "oci/eu-paris-1",
    "country/PL",
)
MARGINAL_KG_PER_KWH, USED_SHARES, DATA_TB = ("", "0.3", "0.65"), ("", "0.6"), ("", "4", "90")
IMAGES = ("vit-l-16", "dit-xl-2", "resnet-50", "resnet-18")
EXPERTS = ("mixtral-8x7b", "deepseek-v3", "mixtral-8x22b", "deepseek-v2-lite")
ELSEWHERE = {"paged_bytes"}  # of paged optimizers, which no row has: tests/step/test_host.py
RING_TOKENS = 128
RINGS = ("llama-2-7b", "gpt3-6.7b", "opt-13b", "phi-3-mini")


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
    stack, site = catalog.stack(row["stack"], facts, row["precision"]), catalog.site(facts.site(row["site"]))
    site = replace(site, marginal_kg_per_j=float(row["marginal_kg_per_kwh"] or "nan") / KWH_J)
    return job, laid, machine, kernels, stack, policy(row["purchase"]), site, offer_of(row)


def offer_of(row: dict[str, str]) -> Offer:
    """Return the price of one row; its data is brought from elsewhere and kept while the run lasts."""
    purchase, data_bytes = row["purchase"], float(row["data_tb"] or 0) * 1e12
    term_s = TERM_YEARS.get(purchase, 0) * YEAR_S
    return Offer(
        usd_per_device_s=USD_PER_DEVICE_S[purchase],
        term_s=term_s,
        term_per_use=(1 / float(row["used_share"]) if row["used_share"] else math.inf) if term_s else 1.0,
        usd_per_facility_j=USD_PER_KWH / KWH_J if purchase == OWNED else 0.0,
        storage_usd_per_s=kept_usd_per_s(data_bytes, USD_PER_GB_MONTH / 1e9 / BILLED_MONTH_S),
        moving_usd=moving_usd(data_bytes, USD_PER_GB_MOVED / 1e9),
    )


def terms(number: int) -> dict[str, str]:
    """Return where and how the run of a row is bought: each list goes round at its own pace."""
    purchase = PURCHASES[number % len(PURCHASES)]
    return {
        "site": SITES[number % len(SITES)],
        "marginal_kg_per_kwh": MARGINAL_KG_PER_KWH[number % len(MARGINAL_KG_PER_KWH)],
        "purchase": purchase,
        "used_share": USED_SHARES[number // len(PURCHASES) % 2] if purchase in TERM_YEARS else "",
        "data_tb": DATA_TB[number // len(SITES) % len(DATA_TB)],
    }


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
        if field.name not in ELSEWHERE:
            yield from numbers(getattr(value, field.name), f"{path}.{field.name}".lstrip("."))


def drawn(seed: int, count: int, only: Sequence[str] = ()) -> list[dict[str, str]]:
    """Return inputs drawn evenly over models, systems and stacks; each model and system as often as another."""
    chance, facts = random.Random(seed), catalog.load()
    models, images, experts, rings = list(only) or _reading_tokens(), *(only == one for one in (IMAGES, EXPERTS, RINGS))
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
            **terms(len(found)),
        }
        row["layout"] = _layout(row, chance, experts, rings)
        if row["layout"] and not (rings and not float(predicted(row)["time.cp_s"]) > 0):
            found.append(row)
    return found


def _reading_tokens() -> list[str]:
    kinds = {"decoder", "encoder", "encdec"}
    return [name for name in presets.model_names() if presets.find_model(name).kind in kinds]


def _layout(row: dict[str, str], chance: random.Random, experts: bool, rings: bool) -> str:
    """Return one valid layout as text; an empty one where there is none or the precision is not for the chip."""
    try:
        job, system, able = job_of(row), catalog.load().system(row["system"]), load().capability(row["stack"])
        machine = catalog.machine(system, row["precision"], catalog.load())
        bounds = replace(BOUNDS, cp_least_tokens=RING_TOKENS) if rings else BOUNDS
        every = space(job, [int(row["devices"])], int(machine.domain_devices), able, bounds)
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
        case ["add-rings", seed, count]:
            write(known + drawn(int(seed), int(count), RINGS))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
