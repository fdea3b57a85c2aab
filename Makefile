# Two commands from a fresh clone: `make demo` and `make test`. Every target sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo serve test check interop train train-setup train-test clean

demo: $(VENV)/.core  ## a simulated fleet with known faults, streamed through the real service
	$(BIN)/aiops demo $(ARGS)

serve: $(VENV)/.core  ## the service, with its data in ./data
	$(BIN)/aiops serve $(ARGS)

test: $(VENV)/.dev  ## all tests that need nothing but Python
	$(BIN)/pytest $(ARGS)

check: $(VENV)/.dev  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

interop: $(VENV)/.dev $(VENV)/.postgres  ## against real Prometheus, PostgreSQL, Chromium, which must be installed
	$(BIN)/pytest -m interop $(ARGS)

train: $(VENV)/.train  ## a new model from what was corrected and resolved in ./data, compared with the one in use
	$(BIN)/python -m training.triage --recipe training/recipes/store.toml $(ARGS) || test $$? -eq 1
	@echo "$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db   shows runs, figures and models"

train-setup: $(VENV)/.train  ## what training needs on top

train-test: $(VENV)/.train  ## the tests that need it
	$(BIN)/pytest -m train $(ARGS)

clean:  ## what was built; never ./data
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

$(VENV)/.train: training/constraints.txt $(VENV)/.dev
	$(BIN)/pip install --quiet --disable-pip-version-check -c training/constraints.txt -e '.[train]'
	@touch $@

$(VENV)/.postgres: $(VENV)/.core
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[postgres]'
	@touch $@
