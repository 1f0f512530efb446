# Two commands for a fresh machine: `make plan` runs the main job, `make test` the tests; each installs what it needs
# into $(VENV). PYTHON may name any Python from 3.11.
PYTHON ?= python3
VENV ?= .venv
DATA ?= ../shared/data
ROOMS ?=
SAMPLE ?= 0
WORKERS ?= auto
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: plan test lint types layers docs accuracy check fit changes bench golden mutants clean

plan: $(VENV)/.core
	$(BIN)/steelyard plan examples/llama-3-8b.yaml

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

layers: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types layers test

docs: $(VENV)/.dev  # writes docs/cli.md from the commands, docs/cases.md from the audits, README.md's figures from their runs
	$(BIN)/python -m tests.cli.reference > docs/cli.md
	$(BIN)/python -m tests.claims.casebook > docs/cases.md
	$(BIN)/python -m tests.cli.readme

accuracy: $(VENV)/.dev  # writes docs/accuracy.md from the published runs
	$(BIN)/python -m tests.evidence.accuracy > accuracy.tmp && mv accuracy.tmp docs/accuracy.md

golden: $(VENV)/.dev  # writes the golden table of predictions anew: one cause a commit
	$(BIN)/python -m tests.golden.predictions renew

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

mutants: $(VENV)/.dev  # wrong formulas that the tests of a room must notice: make mutants ROOMS="step run" SAMPLE=200
	$(BIN)/python -m mutants $(ROOMS) --sample $(SAMPLE)

fit: $(VENV)/.dev  # fits the catalog to the published measurements, stores what is left out, renews every page of figures
	$(BIN)/python -m fit --data $(DATA)
	$(MAKE) golden accuracy docs

changes: $(VENV)/.dev  # lists every prediction that is no longer what it was at the last fit
	$(BIN)/python -m fit.changes

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "steelyard needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.core

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
