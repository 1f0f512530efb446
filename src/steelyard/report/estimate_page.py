"""One configuration on paper, and the same taken apart to formulas and catalog rows."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.console import RenderableType

from steelyard.catalog import load
from steelyard.formatting.figures import COUNT, FLOP_RATE, amount
from steelyard.planner.answers import Estimate, Explanation, Point, TrainedJob
from steelyard.planner.citations import Used
from steelyard.reasons.terms import terms
from steelyard.report.breakdown import breakdown, formula_list, named_terms, short_breakdown
from steelyard.report.page import as_sentence, blank, bullets, heading, paragraph, table
from steelyard.report.plan_lines import short_assumptions
from steelyard.report.plan_page import binding_section, devices_text, points_table, sources_section
from steelyard.vocabulary import ADAPTER_TASKS


def estimate_page(found: Estimate) -> list[RenderableType]:
    """Return the page of one configuration: its figures, then where they go."""
    return [
        *_head(found),
        *breakdown(found.prediction, terms(found.prediction)),
        *_assumed(found.assumptions),
        *_next(found),
        *sources_section(found.sources),
    ]


def short_estimate_page(found: Estimate) -> list[RenderableType]:
    """Return the short page of one configuration: its figures, where seconds and bytes go, the rest in lines."""
    return [
        *_head(found),
        *short_breakdown(found.prediction, terms(found.prediction)),
        *_ends(found, "every part of every arm, assumptions in full, sources"),
    ]


def short_explanation_page(found: Explanation) -> list[RenderableType]:
    """Return the short page of one plan taken apart: every term, its share and its formula's name."""
    return [
        *_head(found),
        *named_terms(found.prediction, found.terms),
        *_ends(found, "each formula with its source, every catalog row used, assumptions in full, sources"),
    ]


def explanation_page(found: Explanation) -> list[RenderableType]:
    """Return the page of one plan taken apart: terms, the formulas behind them, and the catalog rows used."""
    return [
        *_head(found),
        *breakdown(found.prediction, found.terms),
        blank(),
        *formula_list(found.terms),
        blank(),
        heading("Catalog rows used"),
        *_used(found.rows),
        *_assumed(found.assumptions),
        *_next(found),
        *sources_section(found.sources),
    ]


def _verdict(found: Estimate) -> str:
    """Return whether it fits, and how much of what is possible does where that is in doubt: it stands first."""
    if found.fits or not found.fits_word:
        return f": {found.fits_word}" if found.fits else ""
    shown = "fits as shown, else it " if found.fits_shown else ""
    share = f" ({found.fits_share:.0%} of what is possible does)" if found.fits is None else ""
    return f": {shown}{found.fits_word}{share}"


def _head(found: Estimate) -> list[RenderableType]:
    count, unit = _trained(found.job)
    first = [one for one in found.bound_by if one.missed or one.what == "money"]
    rest = replace(found, bound_by=tuple(one for one in found.bound_by if one not in first))
    return [
        heading(f"{found.job.model} on {amount(count, COUNT)} {unit}{_verdict(found)}"),
        *([paragraph(as_sentence(found.fits_with))] if found.fits_with else []),
        *(paragraph(one.text) for one in first),
        blank(),
        points_table([found], {"devices": nodes_text}),
        *binding_section([rest]),
        blank(),
        paragraph(rate_text(found)),
        *([paragraph(as_sentence(found.measured_step.text))] if found.measured_step else []),
        blank(),
    ]


def nodes_text(point: Point) -> str:
    """Return how many of what, and how many nodes these are where they are not one: `--on SYSTEM:N` counts devices.

    >>> [nodes_text(Point("", devices=n, accelerator="H100", system="p5.48xlarge")) for n in (2, 8, 16)]
    ['2 × H100, of a node of 8', '8 × H100', '16 × H100, 2 nodes of 8']
    """
    systems = load().systems
    each = systems[point.system].node_devices if point.system in systems else point.devices
    if point.devices == each or each <= 1:
        return devices_text(point)
    nodes = f"{point.devices / each:g} nodes of {each}" if point.devices > each else f"of a node of {each}"
    return f"{devices_text(point)}, {nodes}"


def _trained(job: TrainedJob) -> tuple[float, str]:
    """Return how much is trained on and of what: tokens of text, else samples."""
    return (job.samples, f"{job.sample}s") if math.isnan(job.tokens) else (job.tokens, "tokens")


TEXT_FLOP = "causal attention counted as half, the vocabulary included, "
"""What the FLOPs of a language model count besides."""


FROZEN_FLOP = " without gradients of frozen weights, about 4 of 6 FLOPs a parameter"
"""What the FLOPs of adapters leave out: see `workload.adapted_flop`."""


def rate_text(found: Estimate) -> str:
    """Return the speed of training in tokens or samples and in FLOPs, the convention named."""
    step = found.prediction.time
    if math.isnan(found.time_s.value):
        return "The speed of training is not known: some part of a step has no rate in the catalog."
    batch = math.prod(int(found.layout[name]) for name in ("dp", "micro_batch", "micro_batches"))
    achieved = found.job.flop / found.job.samples * batch / float(step.total_s) / found.devices
    count, unit = _trained(found.job)
    trained = count / found.time_s.value
    return (
        f"{trained:,.0f} {unit}/s over the whole run; while training {amount(achieved, FLOP_RATE, 3)} a device "
        f"(model FLOPs: forward and backward{FROZEN_FLOP if found.job.task in ADAPTER_TASKS else ''}, "
        f"{TEXT_FLOP if unit == 'tokens' else ''}no recompute)."
    )


def _assumed(lines: Sequence[str]) -> list[RenderableType]:
    return [blank(), heading("Assumed"), bullets(lines)] if lines else []


def _ends(found: Estimate, more: str) -> list[RenderableType]:
    lines = [paragraph(f"Assumed: {short_assumptions(found.assumptions)}.", 0)] if found.assumptions else []
    return [blank(), *lines, *_next(found)[1:], paragraph(f"--details: {more}. --json: all of it.", 0)]


def _next(found: Estimate) -> list[RenderableType]:
    """Return what to do next: a measured step, and what it would narrow; nothing where one is known."""
    return [blank(), paragraph(as_sentence(found.one_step.text), 0)] if found.one_step else []


def _used(rows: Iterable[Used]) -> list[RenderableType]:
    """Return the rows, those of one thing under its name."""
    groups: dict[str, list[list[str]]] = {}
    for row in rows:
        groups.setdefault(f"{row.of}: {row.name}", []).append([row.quantity, row.value, row.source, row.checked])
    parts = [(paragraph(key), table(["|", "", "", "|"], cells, 4, header=False)) for key, cells in groups.items()]
    return [part for pair in parts for part in pair]
