"""Model cards, CodeCarbon, MLPerf logs and the ML CO2 Impact paragraph are read as claims; bad input is one message."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from steelyard.claims import audit_claim, read_claim
from steelyard.claims.reading.files import claim_of_text
from steelyard.cli.app import app
from steelyard.errors import BadInput

HOUR = 3600.0
KWH = 3.6e6

CODECARBON = """timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,\
ram_power,\
cpu_energy,gpu_energy,ram_energy,energy_consumed,country_name,country_iso_code,region,cloud_provider,cloud_region,os,\
python_version,codecarbon_version,cpu_count,cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,\
tracking_mode,on_cloud,pue
2024-05-01T10:00:00,first,a,b,60.0,0.001,0.0,1,1,1,1,1,1,0.01,France,FRA,,,,Linux,3.10,2.3.4,8,x,1,1 x Tesla T4,0,0,16,\
machine,N,1.0
2024-05-02T10:00:00,teeny,a,b,36000.0,0.1872,0.0,42.5,290.0,6.0,0.425,2.9,0.06,3.385,France,FRA,,,,Linux,3.10,2.3.4,8,x,1,\
1 x NVIDIA A100-SXM4-40GB,0,0,16,machine,N,1.0
"""

IMPACT = (
    r"Experiments were conducted using a private infrastructure, which has a carbon efficiency of 0.432 "
    r"kgCO$_2$eq/kWh. A cumulative of 500 hours of computation was performed on hardware of type Tesla V100-SXM2-32GB "
    r"(TDP of 300W). Total emissions are estimated to be {} kgCO$_2$eq of which 0 percents were directly offset."
)

CARD = """---
license: apache-2.0
co2_eq_emissions:
  emissions: 7540
  source: ML CO2 Impact
  training_type: pre-training
  geographical_location: us-east1
  hardware_used: TPU v3-8
---
# A model

- **Hardware Type:** TPU v3-8
- **Hours used:** 72
- **Cloud Provider:** GCP
- **Compute Region:** us-east1
- **Carbon Emitted:** 7.54 kg CO2 eq
"""

TABLE = """---
license: llama3.1
---
|  | **Training Time (GPU hours)** | **Training Power Consumption (W)** | **Location-Based Emissions (tons CO2eq)** |
| :---- | :---: | :---: | :---: |
| Llama 3.1 8B | 1.46M | 700 | 420 |
| Llama 3.1 70B | 7.0M | 700 | 2,040 |
| Llama 3.1 405B | 30.84M | 700 | 8,930 |
| Total | 39.3M | | 11,390 |
"""


def mllog(key: str, value: object = None, time_ms: int = 0) -> str:
    return ":::MLLOG " + json.dumps({"namespace": "", "time_ms": time_ms, "key": key, "value": value, "metadata": {}})


MLPERF = "\n".join(
    [
        "0: some other line",
        mllog("submission_benchmark", "llama2_70b_lora"),
        mllog("submission_org", "SMC"),
        mllog("submission_platform", "1xSMC-H100-SXM-80GB"),
        mllog("number_of_nodes", 1),
        mllog("accelerators_per_node", 8),
        mllog("global_batch_size", 8),
        mllog("run_start", None, 1_700_000_000_000),
        mllog("run_stop", None, 1_700_001_687_900),
    ]
)


def test_codecarbon_reads_its_last_run() -> None:
    claim = claim_of_text(CODECARBON, "emissions.csv")
    assert (claim.title, claim.place, claim.energy_boundary) == ("teeny", "FR", "it")
    assert claim.hardware
    assert claim.hardware.id == "A100-40GB-SXM"
    assert claim.value("energy") == pytest.approx(3.385 * KWH)
    assert claim.value("wall") == 36000
    assert "2 runs" in claim.note
    assert audit_claim(claim).fired == ()


def test_codecarbon_with_a_zero_gpu_is_found() -> None:
    found = audit_claim(
        claim_of_text(CODECARBON.replace("3.385,", "0.085,").replace("0.1872", "0.0047"), "emissions.csv")
    )
    assert "watts" in {check.name for check in found.fired}


@pytest.mark.parametrize(("emitted", "fired"), [("64.8", False), ("110.0", True)])
def test_impact_paragraph(emitted: str, fired: bool) -> None:
    claim = claim_of_text(IMPACT.format(emitted), "paper.tex")
    assert claim.hardware
    assert claim.hardware.id == "V100-32GB-SXM2"
    assert claim.value("device_time") == 500 * HOUR
    assert claim.value("intensity") == pytest.approx(0.432 / KWH)
    assert bool(audit_claim(claim).fired) == fired


def test_card_with_front_matter_and_the_usual_block() -> None:
    claim = claim_of_text(CARD, "README.md")
    assert claim.value("co2e") == pytest.approx(7.54)
    assert (claim.value("count"), claim.value("wall")) == (4, 72 * HOUR)


def test_card_with_a_table() -> None:
    claim = claim_of_text(TABLE, "MODEL_CARD.md")
    assert claim.title == "Llama 3.1 8B"
    assert claim.value("device_time") == pytest.approx(1.46e6 * HOUR)
    assert claim.value("co2e") == 420e3
    assert [row.name for row in claim.beside] == ["Llama 3.1 70B", "Llama 3.1 405B"]
    assert claim.beside[1].value("co2e") == 8930e3


def test_autotrain_card_states_grams() -> None:
    assert claim_of_text("---\nco2_eq_emissions: 0.5988\n---\n", "README.md").value("co2e") == pytest.approx(0.5988e-3)


def test_mlperf_log() -> None:
    claim = claim_of_text(MLPERF, "result_0.txt")
    assert claim.value("wall") == pytest.approx(1687.9)
    assert claim.hardware
    assert (claim.hardware.id, claim.value("count")) == ("H100-80GB-SXM", 8)


@pytest.mark.parametrize(
    ("name", "text", "part"),
    [
        ("a.yaml", "hardware: [8xA100", "broken YAML"),
        ("a.yaml", "- a list", "no fields"),
        ("a.yaml", "hardwear: 8xA100", "hardware"),
        ("a.json", '{"energy": "9 V"', "cannot be read"),
        ("a.yaml", "energy: 9 V", "MWh"),
        ("README.md", "---\nlicense: mit\n---\n# nothing", "co2_eq_emissions"),
        ("emissions.csv", "duration,emissions,energy_consumed\n", "no run"),
        ("result.txt", ':::MLLOG {"key": "run_start", "time_ms": 5}\n', "run_stop"),
        ("paper.txt", "which has a carbon efficiency of 0.432 kg/kWh.", "paragraph"),
        ("a.yaml", "\x00", "cannot be read"),
    ],
)
def test_bad_files_are_one_message(tmp_path: Path, name: str, text: str, part: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    result = CliRunner().invoke(app, ["audit", str(file)])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("steelyard: ")
    assert part in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["strubel-nas"], ["strubel-nas", "strubell-nas"]),
        (["nowhere.yaml"], ["nowhere.yaml"]),
        (["strubell-nas", "--against", "nowhere.yaml"], ["nowhere.yaml"]),
        (["mistral-large-2", "--against", "fms-fsdp-15mfu"], ["no total in common"]),
        ([], ["CLAIM"]),
    ],
)
def test_bad_calls_are_one_message(words: list[str], parts: list[str]) -> None:
    result = CliRunner().invoke(app, ["audit", *words])
    assert result.exit_code == 2
    assert all(part in result.stderr for part in parts), result.stderr


@given(st.text(max_size=300), st.sampled_from(["", "---\n", ":::MLLOG ", "duration,emissions,energy_consumed\n"]))
def test_any_text_is_a_claim_or_one_message(text: str, head: str) -> None:
    message = "a claim"
    try:
        audit_claim(claim_of_text(head + text, "x"))
    except BadInput as error:
        message = str(error)
    assert message


def test_json_has_the_agreed_keys() -> None:
    result = CliRunner().invoke(app, ["audit", "strubell-nas", "--json"])
    found = json.loads(result.stdout)
    assert {"verdict", "ratio", "factors", "checks"} <= set(found)
    assert {"name", "M", "value"} <= set(found["factors"][0])
    assert {"name", "fired", "arithmetic"} <= set(found["checks"][0])
    assert found["ratio"] == pytest.approx(88.24, abs=0.005)


def test_html_is_one_page_without_requests(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    result = CliRunner().invoke(app, ["audit", "strubell-nas", "--html", str(file)])
    page = file.read_text()
    assert result.exit_code == 0
    assert "<svg" in page
    assert not any(word in page for word in ("<script", "src=", "@import", "url("))
    assert "88.24" in page


def test_read_takes_paths_and_mappings(tmp_path: Path) -> None:
    file = tmp_path / "claim.yaml"
    file.write_text("pue: 1.10\nenergy: 10 MWh\n")
    assert read_claim(file).numbers == read_claim({"pue": "1.10", "energy": "10 MWh"}).numbers
