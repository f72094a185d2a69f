# Two commands for a fresh machine with Python 3.11+, git and make: `make demo` and `make test`.
# Everything lives in .venv; versions are locked in constraints.txt and nowhere else.

SHELL := /bin/sh
BIN := .venv/bin
OUT ?= hiprobe-demo
CASES ?= 20000
WORKERS ?= 2
FIRST ?= 0

.PHONY: help setup demo test test-portable lint docs fuzz fuzz-api clean

help:
	@echo "make demo                 set up, fit a probe, detect in an unseen video, write $(OUT)/"
	@echo "make demo CLIPS=PATH      the same on your labelled clips (folder or CSV)"
	@echo "make test                 set up, then lint, types and tests (WORKERS=N processes)"
	@echo "make test-portable        tests that touch a model, as on other processors"
	@echo "make lint                 ruff and mypy alone"
	@echo "make fuzz                 read 20,000 damaged documents (CASES=N FIRST=SEED for others)"
	@echo "make fuzz-api             send 20,000 made-up requests to the review's server (CASES=N)"
	@echo "make docs                 rewrite the generated pages of docs/"
	@echo "make clean                remove .venv and caches (not the downloaded weights)"

setup:
	@sh scripts/setup.sh

demo: setup
	@$(BIN)/hiprobe demo $(if $(CLIPS),--clips "$(CLIPS)") $(if $(NORMAL),--normal "$(NORMAL)") --out "$(OUT)"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One thread in each of two processes does more than two in one, also on two cores.
test: lint
	OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-portable: setup
	@sh scripts/test_portable.sh $(BIN)/python

fuzz: setup
	$(BIN)/python tests/fuzz/fuzz.py --cases $(CASES) --first $(FIRST)

fuzz-api: setup
	$(BIN)/python tests/review/fuzz_api.py --cases $(CASES) --first $(FIRST)

docs: setup
	$(BIN)/python scripts/write_docs.py
	$(BIN)/python scripts/write_performance.py

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build
