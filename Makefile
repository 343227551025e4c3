# Everything runs in .venv, made with the standard library's venv; CI and pre-commit call the same targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-all lint bench format clean

demo: $(VENV)/.base  ## train a 20-layer network on real images
	$(BIN)/latih train

test: $(VENV)/.test  ## all tests, doctests included
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: $(VENV)/.test  ## the slow proofs too
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.lint  ## what CI refuses
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench  ## side by side with other trainers; writes docs/benchmarks.md
	$(BIN)/python bench/step.py --write
	$(BIN)/python bench/startup.py --write
	$(BIN)/python bench/optimizers.py --write

# torch is installed first and pinned, so that no other package chooses its build
$(VENV)/.base: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) torch
	$(INSTALL) -e .
	touch $@

$(VENV)/.test: $(VENV)/.base
	$(INSTALL) -e '.[test]'
	touch $@

$(VENV)/.lint: $(VENV)/.test
	$(INSTALL) -e '.[lint]'
	touch $@

$(VENV)/.bench: $(VENV)/.base bench/requirements.txt
	$(INSTALL) -r bench/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache
