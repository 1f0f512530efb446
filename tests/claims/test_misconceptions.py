"""What is often believed and is wrong: each with a page whose examples run, and a test of its own."""

import doctest
import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from steelyard.carbon import avoided_kgco2e, carbon
from steelyard.catalog import load
from steelyard.catalog.policy import policy
from steelyard.claims import audit_claim, casebook, read_claim
from steelyard.cli.app import app
from steelyard.disclosure.figure_text import INFERENCE, ledger_rows
from steelyard.disclosure.ledger import cost_per_use, payback_ratio
from steelyard.disclosure.origins.audited_claim import disclosure_of_claim
from steelyard.job.models.architecture import architecture
from steelyard.job.models.presets import find_model
from steelyard.tables import Draw, Energy, Machine, Site
from steelyard.units import KWH_J

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/misconceptions").glob("*.md"))
COMMANDS = [
    (page.stem, line)
    for page in PAGES
    for line in page.read_text("utf-8").splitlines()
    if line.startswith("steelyard ")
]
TABLE_4 = ("nas", "t5", "meena", "gshard", "switch", "gpt-3")


def stated_value(name: str, quantity: str) -> float:
    value = casebook.case_named(f"patterson-{name}").claim.value(quantity)
    assert value is not None
    return value


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_page_is_short_listed_and_true(page: Path) -> None:
    text = page.read_text("utf-8")
    assert len(text.split()) < 400
    assert f"(misconceptions/{page.name})" in (ROOT / "docs/index.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    assert any(stem == page.stem for stem, _ in COMMANDS)
    test = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, page.stem, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    said: list[str] = []
    runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_the_commands_of_a_page_run(page: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app, command.split()[1:])
    assert result.exit_code == 0, f"{page}: {result.output}"
    assert result.stdout


def test_the_cost_of_a_search_is_not_that_of_every_model() -> None:
    case = casebook.case_named("strubell-nas")
    assert case.claim.scope == "search"
    assert payback_ratio(stated_value("nas", "co2e"), 48.5e3) == pytest.approx(15, rel=0.02)
    assert cost_per_use(3.2, 1000) < 0.01
    found = disclosure_of_claim(case.claim, case.against)
    assert not found.trains
    assert {"training", "development", "inference"} <= set(found.unstated)


def test_more_parameters_are_not_more_energy() -> None:
    assert stated_value("switch", "energy") < stated_value("gpt-3", "energy")
    sparse, dense = architecture(find_model("switch-c-2048")), architecture(find_model("gpt3-175b"))
    assert sparse.total_params > 8 * dense.total_params
    assert sparse.active_params < 0.02 * dense.active_params


def test_tdp_is_not_power() -> None:
    rated = max(row.si for row in load().accelerator("TPU v3").facts.by_quantity["tdp"])
    assert rated == 450
    assert all(0.5 < stated_value(name, "power") / rated < 0.7 for name in ("t5", "meena", "gshard", "switch"))
    assert stated_value("gpt-3", "power") > load().accelerator("V100").tdp_w
    assert "tdp" in {check.name for check in audit_claim(
        read_claim({"hardware": "8xH100", "power": "700 W", "power_kind": "measured"})).fired}  # fmt: skip


def test_the_peak_does_not_rank_chips() -> None:
    v100, tpu = load().accelerator("V100"), load().accelerator("TPU v3")
    rated = max(row.si for row in tpu.facts.by_quantity["tdp"])
    on_paper = (v100.peak("fp16") / v100.tdp_w) / (tpu.peak("bf16") / rated)
    measured = (24.6e12 / stated_value("gpt-3", "power")) / (45.6e12 / stated_value("t5", "power"))
    assert on_paper == pytest.approx(1.5, abs=0.05)
    assert 1 / measured == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    "claim",
    [
        {"parameters": "500T", "tokens": "1T", "hardware": "256x H100"},
        {"parameters": "10M", "tokens": "1T", "hardware": "256x H100"},
        {"model": "gpt3-175b", "tokens": "300B", "hardware": "10000x V100"},
    ],
)
def test_far_extrapolation_is_refused(claim: dict[str, str]) -> None:
    found = audit_claim(read_claim(claim)).estimate
    assert (found.ranges, bool(found.refused)) == ((), True)


def test_extrapolation_widens() -> None:
    widths = [
        found.high / found.low
        for accelerator in ("H100", "P100")
        for found in audit_claim(
            read_claim({"model": "llama-3-8b", "tokens": "1T", "hardware": f"8x {accelerator}"})
        ).estimate.ranges[:1]
    ]
    assert widths[1] > 1.3 * widths[0]


def test_the_final_run_is_not_the_total() -> None:
    parts = [
        {"title": "training", "scope": "training", "co2e": "312 t"},
        {"title": "the rest", "scope": "development", "co2e": "159 t"},
    ]
    found = disclosure_of_claim(read_claim({"title": "OLMo", "co2e": "471 t", "parts": parts}))
    assert found.total("gross_kg").value == pytest.approx(312e3)
    assert found.lines[1].of("gross_kg").value / found.main.of("gross_kg").value == pytest.approx(0.51, abs=0.005)
    assert "development" in disclosure_of_claim(casebook.case_named("patterson-gpt-3").claim).unstated


def test_the_site_matters_inside_one_company() -> None:
    grids = [stated_value(name, "intensity") * KWH_J for name in ("t5", "meena", "gshard", "switch", "nas")]
    assert (min(grids), max(grids)) == (pytest.approx(0.201), pytest.approx(0.545))
    for cloud in ("aws", "azure", "gcp", "oci"):
        values = [
            row.facts.value("location_gross") for name, row in load().sites.items() if name.startswith(f"{cloud}/")
        ]
        known = [value for value in values if value > 0]
        assert max(known) / min(known) > 10


def test_no_avoided_emissions_from_an_average() -> None:
    assert math.isnan(avoided_kgco2e(math.nan, 3.0))
    assert math.isnan(avoided_kgco2e(3.0, math.nan))


def test_a_market_figure_never_replaces_the_location() -> None:
    site = Site(1.1, 0.4 / KWH_J, 0.3 / KWH_J, 0.0, math.nan, 0.0, 0.0)
    draw = Draw(**dict.fromkeys(Draw.__dataclass_fields__, 1.0))
    machine = Machine(**dict.fromkeys(Machine.__dataclass_fields__, 1.0))
    found = carbon(draw, Energy(3.6e6, 3.6e6, 3.6e6), site, machine, policy("on-demand"))
    assert (found.location_gross_kgco2e, found.location_net_kgco2e) == (pytest.approx(0.4), pytest.approx(0.3))
    assert found.market_kgco2e == 0
    assert math.isnan(found.marginal_kgco2e)


def test_clean_regions_are_for_rent() -> None:
    sold = {offer.place for offer in load().offers}
    clean = {name.split("/")[0] for name, row in load().sites.items()
             if name in sold and row.facts.value("location_gross") * KWH_J < 0.05}  # fmt: skip
    assert len(clean) >= 3


def test_every_disclosure_asks_for_inference() -> None:
    rows = {row[0]: row for row in ledger_rows(disclosure_of_claim(casebook.case_named("patterson-gpt-3").claim))}
    assert rows["inference"][1].startswith("unknown")
    assert rows["inference"][3] == INFERENCE
