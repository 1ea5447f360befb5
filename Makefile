# Serin. `make demo` shows the main job, `make test` runs every test, `make check` the fast ones.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
CSRC   := $(wildcard csrc/*.c csrc/*.h csrc/*.py)

.PHONY: setup demo run test check lint format clean

setup: $(STAMP)

$(STAMP): pyproject.toml setup.py $(CSRC)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: lint
	$(BIN)/pytest tests/unit

test: lint
	$(BIN)/pytest tests

clean:
	rm -rf $(VENV) build dist
