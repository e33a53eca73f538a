# Two commands for everybody: make demo, make test. Each does all its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test soak check coverage bench clean

demo: $(VENV)/.demo
	$(BIN)/keyong demo

test: $(VENV)/.test
	bash tests/system.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto

# the whole of what a test run samples
soak: $(VENV)/.test
	$(BIN)/python -m pytest -n auto -m soak

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# every branch of the cryptography is run by its own tests
coverage: $(VENV)/.test
	COVERAGE_FILE=$(VENV)/coverage $(BIN)/python -m pytest -n auto tests/mpc --cov=mpc --cov-branch --cov-report=term-missing:skip-covered --cov-fail-under=100

bench: $(VENV)/.test benchmarks/peers/flower/.venv
	missed=0; for script in benchmarks/*.py; do $(BIN)/python $$script || missed=1; done; exit $$missed

benchmarks/peers/flower/.venv:
	bash benchmarks/peers/flower.sh

# Debian keeps venv in a package of its own; where it is missing and may be installed, it is.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV) || (apt-get update -qq && apt-get install -y -qq python3-venv && $(PYTHON) -m venv --clear $(VENV))

$(VENV)/.demo: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	touch $@

$(VENV)/.test: $(VENV)/bin/python setup.cfg
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
