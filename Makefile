# Everything starts here. `make demo` and `make test` need nothing but Python >= 3.11, make and gcc.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-from-lock
export BENTOML_DO_NOT_TRACK := True
# Idle OpenMP threads must not spin on cores that other processes need.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: help setup demo bench test test-slow test-gpu check format lint types docs lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## build .venv from requirements.lock; does nothing when it is up to date

# The stamp is a copy of the lock file, so a fresh checkout with new times installs nothing again.
$(STAMP): requirements.lock
	@if cmp -s requirements.lock $(STAMP); then touch $(STAMP); else $(MAKE) --no-print-directory install; fi

.PHONY: install
install:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed, found " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --no-deps --requirement requirements.lock
	cp requirements.lock $(STAMP)

demo: setup  ## train on synthetic photos, serve, score, explain
	$(BIN)/python -m examples.demo

BENCH_MODEL ?= load_tests/results/models/resnet18

bench: setup  ## compare the server with its peers for a few minutes; BENCH_MODEL=FOLDER picks the model
	@test -e $(BENCH_MODEL)/model.json || $(BIN)/python -m benchmarks model-folder resnet18 $(BENCH_MODEL)
	$(BIN)/python -m load_tests compare --model $(BENCH_MODEL) --rounds 2 --duration 4

test: setup  ## the default tests: about 6 minutes on two cores
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadscope

test-slow: setup  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow --timeout=1800

test-gpu: setup  ## the tests that need a GPU
	$(BIN)/python -m pytest -m gpu

check: lint types test  ## what CI runs

format: setup  ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

docs: setup  ## the documentation as a site in site/, with search
	$(BIN)/python -m examples.reference
	$(BIN)/mkdocs build --strict

lock:  ## write requirements.lock from what is installed in .venv
	$(BIN)/pip freeze --all | grep -v ^pip== | sed -E '/^(cuda-|nvidia-|triton)/ s/$$/ ; sys_platform == "linux" and platform_machine == "x86_64"/' > requirements.lock

clean:  ## remove what the demo and the tools made (not runs/, not .venv)
	rm -rf demo site .pytest_cache .mypy_cache .ruff_cache
