# Two commands do everything on a fresh machine: `make demo` and `make test`.
# The others: check (linters, types, docstrings), bench, docs, base (pre-trains the embedded student), wheel, clean;
# real-student (fetches 93 MB and makes SmolLM2-135M-Instruct in data/students);
# pin (writes constraints.txt anew), newest (runs the tests with the newest releases, whatever the bounds).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
TESTS ?= tests
# Recorded data lie in data/, or in a folder beside the checkout.
export TUITION_DATA ?= $(abspath $(or $(wildcard ../shared/data),data))

# Everything is installed as constraints.txt has it, what builds the package included.
# Without a GPU, torch is installed first, by its own line: asked for as a dependency it brings gigabytes of CUDA.
# Where the machine offers a CPU build of this release pip takes it; elsewhere the line installs the release as it is.
TORCH := torch==2.13.0
PINNED := --constraint constraints.txt
INSTALL := $(BIN)/pip install --quiet $(PINNED) --build-constraint constraints.txt

.PHONY: demo test slow check bench figures reference docs base real-student wheel wheel-venv pin newest clean format

demo: $(VENV)/.train
	$(BIN)/tuition demo

test: $(VENV)/.test
	$(BIN)/pytest -n 2

# What `make test` leaves out, and every test of generated inputs, with a fresh seed that is printed.
slow: $(VENV)/.test
	$(BIN)/pytest -n 2 --slow -m "slow or hypothesis" -rs

check: $(VENV)/.check
	$(BIN)/ruff format --check src tests tools
	$(BIN)/ruff check src tests tools
	$(BIN)/ty check src

format: $(VENV)/.check
	$(BIN)/ruff format src tests tools
	$(BIN)/ruff check --fix src tests tools

bench: $(VENV)/.test
	$(BIN)/python benchmarks/startup.py --quick
	$(BIN)/python benchmarks/store.py --quick
	$(BIN)/python benchmarks/training.py --quick

# Every figure in README and docs against benchmarks/results; `--fix` writes what they say.
figures: $(VENV)/.test
	$(BIN)/python benchmarks/figures.py

# Keys, commands, error texts and exported names, and the floors and links of docs/architecture.md, from the code.
reference: $(VENV)/.test
	$(BIN)/python tools/reference.py

docs: $(VENV)/.docs
	$(BIN)/zensical build

base: $(VENV)/.train
	PYTHONPATH=tools $(BIN)/python -m base_student.pretrain src/tuition/playground/base

# gguf reads the file that is fetched, and nothing else here needs it; what it imports is installed already.
real-student: $(VENV)/.train
	$(INSTALL) --no-deps gguf==0.19.0
	$(BIN)/python tools/real_student.py

wheel: $(VENV)/.check
	$(BIN)/pip wheel --quiet --no-deps --build-constraint constraints.txt --wheel-dir dist .

# The wheel as a user has it: make VENV=elsewhere wheel-venv
wheel-venv: $(VENV)/.torch
	$(INSTALL) "$$(ls dist/tuition-*.whl)[train]"

# What pip takes today within the bounds of pyproject.toml, in an empty environment; torch has its own line above.
pin:
	rm -rf .venvs/pin
	$(PYTHON) -m venv .venvs/pin
	.venvs/pin/bin/pip install --quiet --upgrade pip
	.venvs/pin/bin/pip install --quiet $(TORCH)
	.venvs/pin/bin/pip install --quiet hatchling editables --editable '.[train,serve,test,check,docs]'
	echo "# Written by 'make pin'. What 'make' installs; torch is pinned in the Makefile." > constraints.txt
	.venvs/pin/bin/pip freeze --all --exclude-editable --exclude torch >> constraints.txt

# Not part of .ci/run: it says what will break, not what is broken. Its result stands in docs/versions.md.
newest:
	$(PYTHON) .ci/newest.py .venvs/newest $(TORCH) $(TESTS)

clean:
	rm -rf $(VENV) .venvs dist build site .pytest_cache .ruff_cache .hypothesis

$(VENV)/.pip: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet $(PINNED) --upgrade pip
	touch $@

$(VENV)/.torch: $(VENV)/.pip
	$(INSTALL) $(TORCH)
	touch $@

$(VENV)/.train: $(VENV)/.torch pyproject.toml
	$(INSTALL) --editable '.[train]'
	touch $@

$(VENV)/.test: $(VENV)/.train pyproject.toml
	$(INSTALL) --editable '.[train,serve,test]'
	touch $@

$(VENV)/.check: $(VENV)/.test pyproject.toml
	$(INSTALL) --editable '.[train,serve,test,check]'
	touch $@

$(VENV)/.docs: $(VENV)/.pip pyproject.toml
	$(INSTALL) --editable '.[docs]'
	touch $@
