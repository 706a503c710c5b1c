# Every target makes .venv with the pinned packages first; nothing else has to be installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test check format bench pictures pins clean

demo: $(STAMP)  ## simulated fleet, local Cosmos endpoint, the dashboard
	$(BIN)/sensor-tui demo

test: $(STAMP)  ## everything this machine can run, on two cores: much of it is waiting
	$(BIN)/python -m pytest -n 4 --dist loadfile $(ARGS)

check: $(STAMP)  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)  ## measure, side by side with the peers; see benchmarks/
	$(BIN)/python -m benchmarks $(ARGS)

pictures: $(STAMP)  ## pictures and key tables of the documents
	$(BIN)/python -m tests.support.pictures docs/pictures
	$(BIN)/python -m tests.support.key_manual

pins: $(STAMP)  ## renew requirements/*.txt
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-options --no-header --extra aad --extra parquet --extra speed --extra tls --extra web -o requirements/runtime.txt pyproject.toml
	$(BIN)/python -m piptools compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-emit-index-url --no-emit-options --no-header -c requirements/runtime.txt -o requirements/dev.txt requirements/dev.in

$(STAMP): requirements/runtime.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "sensor-tui needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/runtime.txt -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
