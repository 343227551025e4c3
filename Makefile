# Everything runs in .venv, made with the standard library's venv; CI and pre-commit call the same targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-bench
PIP := python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# one thread a worker: two workers share two cores
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2
INSTALL := $(BIN)/$(PIP)

.PHONY: demo test test-all soak lint bench clinic docs format clean

demo: $(VENV)/.base  ## train a 20-layer network on real images
	$(BIN)/latih train

test: $(VENV)/.test  ## all tests, doctests included
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.test  ## the slow proofs too
	$(PYTEST)

soak: $(VENV)/.test  ## 200 trainings killed, resumed and compared bit for bit; damaged files of every kind for 10 minutes
	OMP_NUM_THREADS=1 $(BIN)/python scripts/soak_kills.py --kills 200
	OMP_NUM_THREADS=1 $(BIN)/python scripts/soak_fuzz.py --minutes 10

lint: $(VENV)/.lint  ## what CI refuses
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(PEERS)/.ready  ## side by side with other trainers; writes docs/benchmarks.md
	$(PEERS)/bin/python bench/step.py --rounds 21 --write
	$(PEERS)/bin/python bench/startup.py --write
	$(PEERS)/bin/python bench/optimizers.py --write
	$(PEERS)/bin/python bench/initialize.py --write
	$(PEERS)/bin/python bench/transfer.py --epochs 5 --rounds 2 --write
	$(PEERS)/bin/python bench/watch.py --rounds 15 --steps 1200 --write
	$(PEERS)/bin/python bench/rollback.py --write
	$(PEERS)/bin/python bench/checkpointing.py --write

clinic: $(VENV)/.test  ## detection, false alarms and repair on all programs; writes docs/clinic.md, clinic-repair.md
	$(BIN)/python -m clinic --write
	$(BIN)/python -m clinic.repair --write

docs: $(VENV)/.test  ## the reference pages and pictures of the methods
	$(BIN)/python scripts/make_docs.py
	$(BIN)/python scripts/make_pictures.py

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

# other trainers get a venv of their own
$(PEERS)/.ready: pyproject.toml constraints.txt bench/requirements.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/$(PIP) torch
	$(PEERS)/bin/$(PIP) -e . -r bench/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) $(PEERS) build dist .pytest_cache .ruff_cache
