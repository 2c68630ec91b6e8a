# `make demo` and `make test` set everything up by themselves, in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
SETTINGS := setup.cfg pyproject.toml constraints.txt

.PHONY: demo test check fuzz bench docs clean

demo: $(VENV)/.demo
	$(BIN)/lesionless demo --out runs/demo

# A process a core, each with one thread: more threads than cores wait for each other.
test: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/lint-imports

# New inputs for every property of tests/hostile, for FUZZ_MINUTES (20); exit status 1 for a crash or a silent change.
fuzz: $(VENV)/.test
	OMP_NUM_THREADS=1 $(BIN)/python tests/hostile/fuzz.py

# The site in build/site, which opens from disk. RUNS: results that give it pictures; default runs/demo, where there is one.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

bench: $(VENV)/.bench
	$(BIN)/python benchmarks/metrics.py

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: $(VENV)/bin/python $(SETTINGS)
	$(PIP) --editable .
	touch $@

$(VENV)/.test $(VENV)/.check $(VENV)/.bench $(VENV)/.docs: $(VENV)/.%: $(VENV)/bin/python $(SETTINGS)
	$(PIP) --editable '.[$*]'
	touch $@
