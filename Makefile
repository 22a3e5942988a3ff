# Two commands do everything on a fresh machine: `make demo` and `make test`.
# The others: check (linters, types, docstrings), bench, docs, base (pre-trains the embedded student), wheel, clean.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data

.PHONY: demo test slow check bench figures docs base wheel clean format

demo: $(VENV)/.train
	$(BIN)/tuition demo

test: $(VENV)/.test
	$(BIN)/pytest -n 2

# What `make test` leaves out, and every test of generated inputs, with a fresh seed that is printed.
slow: $(VENV)/.test
	$(BIN)/pytest -n 2 --slow -m "slow or hypothesis" -rs

check: $(VENV)/.check
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/ty check src
	$(BIN)/pydoclint --quiet src

format: $(VENV)/.check
	$(BIN)/ruff format src tests
	$(BIN)/ruff check --fix src tests

bench: $(VENV)/.test
	$(BIN)/python benchmarks/startup.py --quick
	$(BIN)/python benchmarks/store.py --quick

# Every figure in README and docs against benchmarks/results; `--fix` writes what they say.
figures: $(VENV)/.test
	$(BIN)/python benchmarks/figures.py

docs: $(VENV)/.docs
	$(BIN)/zensical build

base: $(VENV)/.train
	$(BIN)/python -m tuition.recipes.pretrain src/tuition/playground/base

wheel: $(VENV)/.check
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist build site .pytest_cache .ruff_cache .hypothesis

# Without a GPU, torch is installed first, by its own line: asked for as a dependency it brings gigabytes of CUDA.
# Where the machine offers a CPU build of this release pip takes it; elsewhere the line installs the release as it is.
$(VENV)/.torch:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet torch==2.13.0
	touch $@

$(VENV)/.train: $(VENV)/.torch pyproject.toml
	$(BIN)/pip install --quiet --editable '.[train,plot]'
	touch $@

$(VENV)/.test: $(VENV)/.train pyproject.toml
	$(BIN)/pip install --quiet --editable '.[train,serve,test]'
	touch $@

$(VENV)/.check: $(VENV)/.test pyproject.toml
	$(BIN)/pip install --quiet --editable '.[train,serve,test,check]'
	touch $@

$(VENV)/.docs: $(VENV)/.torch pyproject.toml
	$(BIN)/pip install --quiet --editable '.[docs]'
	touch $@
