# Two commands for everybody: make demo, make test. Each does all its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RELEASES ?= releases
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.PHONY: demo test soak check coverage bench lock release clean

demo: $(VENV)/.demo
	$(BIN)/keyong demo

test: $(VENV)/.test
	bash tests/system.sh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto --record

# every point of the fault matrices of which `make test` runs a sample
soak: $(VENV)/.test
	bash tests/system.sh
	$(BIN)/python -m pytest -m soak -n auto -rA

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

# What is installed is what is in locks/, file by file; nothing is built but keyong itself.
$(VENV)/.%: $(VENV)/bin/python setup.cfg locks/%.txt
	$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: -r locks/$*.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# After a change of setup.cfg; with UPGRADE=--upgrade the newest releases that it allows. What to look at is the difference.
lock: $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile $(LOCK) --extra test --output-file locks/test.txt $(UPGRADE) setup.cfg
	$(BIN)/uv pip compile $(LOCK) --extra demo --extra build --output-file locks/demo.txt --constraint locks/test.txt setup.cfg

# The last commit as source archive and wheel, built the same everywhere, signed; once before: keyong release init
release: $(VENV)/.test
	$(BIN)/python release/build.py dist
	$(BIN)/keyong release sign dist --home $(RELEASES)

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
