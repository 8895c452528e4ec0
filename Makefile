# Each target sets up what it needs. `make run` and `make test` work in a fresh clone.
# The Python that the suite runs on, else the newest supported one; or the one that PYTHON names.
PYTHON ?= python3.11 python3.14 python3.13 python3.12 python3
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Whatever the locale: for Dagster, dbt and the linters, which do not ask for UTF-8 themselves.
export PYTHONUTF8 = 1
# Older releases of DuckDB, one folder each: a test opens what we publish with them.
READERS := $(patsubst tests/readers/%.txt,$(VENV)/readers/%/.installed,$(wildcard tests/readers/*.txt))
# The mutation tool, beside what the tests need anyway: only `make mutants` installs it.
MUTANTS := $(VENV)/mutants
export GX_ANALYTICS_ENABLED = false
export DO_NOT_TRACK = 1

.PHONY: run test suite test-fast ui lint lint-python lint-sql lint-types format bench mutants lock setup readers browser chaos clean help

help:  ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

setup: $(STAMP)  ## Virtual environment with exactly the locked packages

$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python && exit; \
	for python in $(PYTHON); do \
		$$python -c '$(SUPPORTED)' 2>/dev/null && $$python -m venv $(VENV) && exit; \
	done; \
	command -v uv >/dev/null && uv venv --clear --seed --python '>=3.11,<3.15' $(VENV) && exit; \
	echo "tokenshare needs Python 3.11 to 3.14, found none of: $(PYTHON); set PYTHON=/path/to/python3"; exit 1
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

$(VENV)/readers/%/.installed: tests/readers/%.txt $(STAMP)
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: --target $(@D) -r $<
	@touch $@

readers: $(READERS)

run: $(STAMP)  ## The main job on the shipped real data, to a published vintage with its report
	$(BIN)/tokenshare run

test: $(STAMP)  ## Linters, type checker and the whole test suite, beside each other
	@$(MAKE) --no-print-directory --jobs 4 suite lint-python lint-sql lint-types

suite: $(STAMP) readers browser  ## The whole test suite alone
	@# In the order of the folders: what has real runs comes first, many short files come last.
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP)  ## Unit and contract tests only, in seconds
	$(BIN)/pytest tests/unit tests/contracts

ui: $(STAMP)  ## Dagster UI on localhost:3000, its instance below data/dagster
	@# Paths stay inside the shell: make's own functions split them at spaces.
	@home="$${TOKENSHARE_DATA_DIR:-data}/dagster" && mkdir -p "$$home" && \
	cp orchestration/dagster.yaml "$$home" && export DAGSTER_HOME="$$(realpath "$$home")" && \
	$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p $${PORT:-3000}

lint: $(STAMP)  ## ruff, sqlfluff and mypy, beside each other
	@$(MAKE) --no-print-directory --jobs 3 --output-sync=target lint-python lint-sql lint-types

lint-python: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-sql: $(STAMP)
	$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

lint-types: $(STAMP)
	$(BIN)/mypy

format: $(STAMP)  ## Format Python and SQL
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/sqlfluff fix dbt_project/models dbt_project/tests

bench: $(STAMP)  ## Times of runs, also with 400 dumps landed, and their ratio to the bare SQL
	@$(BIN)/python -m tests.bench

chaos: $(STAMP)  ## Kill the run twenty times at random moments
	TOKENSHARE_KILLS=20 $(BIN)/pytest -m chaos tests/integration/test_kill.py

mutants: $(STAMP) $(MUTANTS)/.installed  ## Does a test fail for each small mistake? ONLY=orchestration/landing for one room
	$(BIN)/python -m tests.mutants $(ONLY)

$(MUTANTS)/.installed: tests/mutants/requirements.txt $(STAMP)
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: --target $(@D) -r $<
	@touch $@

lock: $(STAMP)  ## Resolve pyproject.toml into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal --no-strip-extras --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header -o requirements.lock

browser:  # Chromium for the report's test: installed where this user may, else said how
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else echo "The report's browser test needs Chromium: 'sudo apt-get install chromium' (Debian), or your system's package. It is skipped without."; fi

clean:  ## Remove everything that runs made, keep landed dumps
	rm -rf data/warehouse data/candidates data/dagster
