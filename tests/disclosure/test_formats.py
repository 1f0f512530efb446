"""Every format has the published names and types, whatever is disclosed; what is unknown says so."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from tests.disclosure.published import CARD, faults
from tests.disclosure.runs import CASES, write

from steelyard.disclosure import Disclosure, disclosure_json, read_disclosure
from steelyard.disclosure import write_disclosure as written
from steelyard.disclosure.forms import form_names

NAMES = ("estimate.json", "run.yaml", "alone.yaml", *CASES)
TODAY = "2026-11-21"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Disclosure]:
    given = write(tmp_path_factory.mktemp("given"))
    return {name: read_disclosure(given[name]) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_card(made: dict[str, Disclosure], name: str) -> None:
    text = written(made[name], "hf", TODAY)
    assert text.startswith("---\n")
    assert text.endswith("---\n")
    block = yaml.safe_load(text.split("---")[1])["co2_eq_emissions"]
    assert all(isinstance(value, CARD[field]) for field, value in block.items())
    gross = made[name].total("gross_kg")
    assert ("emissions" in block) == gross.known
    if gross.known:
        assert block["emissions"] == pytest.approx(1e3 * gross.value, rel=1e-5)
    else:
        assert f"# emissions: unknown: {gross.why}" in text
    for field in CARD.keys() - block.keys():
        assert f"# {field}: unknown" in text


@pytest.mark.parametrize("name", NAMES)
def test_spdx(made: dict[str, Disclosure], name: str) -> None:
    document = json.loads(written(made[name], "spdx", TODAY))
    assert document.keys() == {"@context", "@graph"}
    assert document["@context"] == "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    assert [fault for node in document["@graph"] for fault in faults(node)] == []
    ids = {node["spdxId"] for node in document["@graph"] if "spdxId" in node}
    assert set(document["@graph"][3]["element"]) <= ids


def test_spdx_faults_are_found() -> None:
    wrong = {"type": "ai_EnergyConsumptionDescription", "ai_energyQuantity": "much", "ai_unit": "kWh"}
    assert len(faults(wrong)) == 3


def test_spdx_energy_is_that_of_the_run(made: dict[str, Disclosure]) -> None:
    package = json.loads(written(made["run.yaml"], "spdx", TODAY))["@graph"][2]
    stages = package["ai_energyConsumption"]
    (training,), (use,) = stages["ai_trainingEnergyConsumption"], stages["ai_inferenceEnergyConsumption"]
    assert training["ai_energyQuantity"] == pytest.approx(560 * 1.15, rel=1e-4)
    assert use["ai_energyQuantity"] == 120
    assert "search: energy 7.50 MWh" in package["comment"]


def test_a_search_is_not_the_energy_of_training(made: dict[str, Disclosure]) -> None:
    package = json.loads(written(made["strubell-nas"], "spdx", TODAY))["@graph"][2]
    assert "ai_energyConsumption" not in package
    assert "N/A: what is stated is of search" in written(made["strubell-nas"], "eu", TODAY)


@pytest.mark.parametrize("name", NAMES)
def test_act(made: dict[str, Disclosure], name: str) -> None:
    text = written(made[name], "eu", TODAY)
    assert "Annex XI" in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| 2(")]
    assert {row[0].strip("| ") for row in rows} >= ({"2(d)", "2(e)"} if made[name].trains else set())
    assert all(len(row) == 4 for row in rows)
    assert "nan" not in text


def test_act_gives_figures_as_the_form_asks(made: dict[str, Disclosure]) -> None:
    text = written(made["patterson-gpt-3"], "eu", TODAY)
    assert "| 2(e) | Amount of energy used for training (known) | 1.3e+03 MWh |" in text
    assert "| 2(d) | Training time (wall-clock days) | 15 |" in text
    assert "148,000" in text
    estimated = made["estimate.json"].total("facility_j").value
    assert f"(estimated) | {estimated / 3.6e9:.1e} MWh" in written(made["estimate.json"], "eu", TODAY)


@pytest.mark.parametrize("name", NAMES)
def test_sci_needs_every_term(made: dict[str, Disclosure], name: str) -> None:
    text, found = written(made[name], "sci", TODAY), made[name]
    marginal = found.main.of("marginal_kg_per_j").known
    assert ("| I, marginal | unknown" in text) == (not marginal)
    by_average = next(
        one for one in disclosure_json(found)["sci"] if one["per"] == "run" and one["intensity"] != "marginal"
    )
    terms = [found.total("facility_j"), found.main.of("gross_kg_per_j"), found.total("embodied_kg")]
    known = all(term.known for term in terms)
    assert (by_average["gco2e"]["how"] != "unknown") == known
    if known:
        energy, per, making = (term.value for term in terms)
        assert by_average["gco2e"]["value"] == pytest.approx(1e3 * (energy * per + making))


@pytest.mark.parametrize("name", NAMES)
def test_table(made: dict[str, Disclosure], name: str) -> None:
    head, rule, row = written(made[name], "table", TODAY).splitlines()[:3]
    assert head.count("|") == rule.count("|") == row.count("|") == 18
    assert "nan" not in row


def test_table_is_pattersons_row(made: dict[str, Disclosure]) -> None:
    row = written(made["patterson-gpt-3"], "table", TODAY).splitlines()[2]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[4:] == ["0.429", "unknown", "1.10", "V100-32GB-SXM2", "300", "330", *cells[10:11], "10,000", "14.8",
                         *cells[13:14], "1,287", "552", "unknown"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_bibtex_has_an_entry_for_every_source(made: dict[str, Disclosure], name: str) -> None:
    text = written(made[name], "bibtex", TODAY)
    keys = re.findall(r"^@misc\{([^,]+),$", text, re.MULTILINE)
    assert len(keys) == len(set(keys)) == 1 + len(made[name].sources)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", key) for key in keys)
    assert text.count("{") == text.count("}")
    assert re.findall(r"(?<!\\)[&%#_]", re.sub(r"@misc\{.*", "", text)) == []


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        if tag not in {"meta", "br", "rect", "text"} or (tag == "text"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


@pytest.mark.parametrize("name", NAMES)
def test_page_stands_alone(made: dict[str, Disclosure], name: str) -> None:
    text, page = written(made[name], "html", TODAY), Page()
    page.feed(text)
    assert page.open == []
    assert page.addresses == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "url(" not in text
    assert "@import" not in text
    assert "nan" not in re.sub(r"[a-z]*nan[a-z]+|[a-z]+nan", "", text)


def test_page_shows_the_waterfalls(made: dict[str, Disclosure]) -> None:
    assert "From the claim to these figures" in written(made["strubell-nas"], "html", TODAY)
    assert "From the devices to the building" in written(made["run.yaml"], "html", TODAY)


@pytest.mark.parametrize("form", form_names())
def test_what_is_unknown_says_so(made: dict[str, Disclosure], form: str) -> None:
    text = written(made["alone.yaml"], form, TODAY)
    assert form == "bibtex" or "unknown" in text


def test_json_is_the_whole(made: dict[str, Disclosure], tmp_path: Path) -> None:
    found = disclosure_json(made["run.yaml"])
    assert [line["scope"] for line in found["lines"]] == ["training", "failed", "search", "inference"]
    assert found["not_stated"] == ["idle", "development"]
