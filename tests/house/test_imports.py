"""What starts fast stays fast: the imports behind `plan` and behind `--help`."""

import json
import subprocess
import sys

import pytest

HEAVY = {"torch", "pandas", "scipy", "pint", "jax", "transformers"}


def imported_by(code: str) -> set[str]:
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def run(*words: str) -> str:
    call = f"main({list(words)!r})"
    return f"from steelyard.cli import main\ntry:\n    {call}\nexcept SystemExit:\n    pass"


def test_help_imports_no_arrays() -> None:
    assert not imported_by(run("--help")) & (HEAVY | {"numpy", "pydantic", "rich", "yaml"})


def test_importing_the_package_imports_no_arrays() -> None:
    assert not imported_by("import steelyard") & (HEAVY | {"numpy", "pydantic", "rich", "yaml", "click"})


@pytest.mark.parametrize(
    "verb", ["plan", "estimate", "explain", "launch", "catalog", "calibrate", "audit", "disclose", "validate"]
)
def test_the_help_of_a_verb_imports_no_arrays(verb: str) -> None:
    assert not imported_by(run(verb, "--help")) & (HEAVY | {"numpy", "pydantic", "rich"})


def test_plan_imports_nothing_heavy() -> None:
    found = imported_by(
        "import steelyard.planner, steelyard.pipeline, steelyard.job, steelyard.report, steelyard.catalog"
    )
    assert not found & HEAVY


def test_validate_and_calibrate_import_nothing_heavy() -> None:
    found = imported_by("import steelyard.evidence.score.validation, steelyard.evidence.calibration")
    assert not found & HEAVY
