# Each target sets up what it needs. `make run` and `make test` work in a fresh clone.
# The newest supported Python that starts; PYTHON names another one.
PYTHON ?= python3.14 python3.13 python3.12 python3.11 python3
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# For Dagster, dbt and the linters, which do not ask for UTF-8 themselves, whatever the locale is.
export PYTHONUTF8 = 1
# What others read our vintages with, one folder each: older releases of DuckDB, matplotlib, and the
# libraries of Data Package and Croissant with what the lock does not have.
READERS := $(patsubst tests/readers/%.txt,$(VENV)/readers/%/.installed,$(wildcard tests/readers/*.txt))
# The mutation tool, beside what the tests need anyway: only `make mutants` installs it.
MUTANTS := $(VENV)/mutants
# Apache Superset with its own pandas, SQLAlchemy and DuckDB 1.5: only `make test-bi` installs it.
SUPERSET := $(VENV)/superset
# The object store that the tests of Spark use.
OBJECT_STORE := $(VENV)/object_store
export GX_ANALYTICS_ENABLED = false
export DO_NOT_TRACK = 1

.PHONY: run test suite test-fast ui lint lint-python lint-sql lint-types lint-audit format bench bench-logs fuzz-logs replay year mutants lock setup readers browser chaos test-postgres test-bi spark test-spark bench-spark java clean help

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort

setup: $(STAMP)  ## Make a virtual environment with exactly the locked packages

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
	@# One package of mlcroissant is only there as source; it is built with the setuptools of the lock.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation --only-binary :all: --target $(@D) -r $<
	@touch $@

readers: $(READERS)

run: $(STAMP)  ## Run the pipeline on the shipped real data, up to a published vintage with its report
	$(BIN)/tokenshare run

test: $(STAMP)  ## Run the linters, the type checker and the whole test suite, beside each other
	@$(MAKE) --no-print-directory --jobs 4 suite lint-python lint-sql lint-types

suite: $(STAMP) readers browser  ## Run the whole test suite alone
	@# In the order of the folders: files with real runs come first, the many short files last.
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-fast: $(STAMP)  ## Run the unit and contract tests only, in seconds
	$(BIN)/pytest tests/unit tests/contracts

ui: $(STAMP)  ## Start the Dagster UI on localhost:3000 and what its links open, with its instance in data/dagster
	@# Paths stay inside the shell: make's own functions split them at spaces.
	@home="$${TOKENSHARE_DATA_DIR:-data}/dagster" && mkdir -p "$$home" && \
	cat orchestration/dagster.yaml $${DAGSTER_PG_HOST:+orchestration/dagster-postgres.yaml} > "$$home/dagster.yaml" && \
	export DAGSTER_HOME="$$(realpath "$$home")" VIRTUAL_ENV="$$PWD/$(VENV)" DAGSTER_PG_PORT="$${DAGSTER_PG_PORT:-5432}" && \
	export TOKENSHARE_UI_URL="$${TOKENSHARE_UI_URL:-http://127.0.0.1:$${PORT:-3000}}" && \
	{ $(BIN)/tokenshare serve & trap "kill $$! 2>/dev/null" EXIT; } && \
	$(BIN)/dg dev --host 127.0.0.1 --port $${PORT:-3000}

lint: $(STAMP)  ## Run ruff, sqlfluff, mypy and, if the network allows, an audit of the locked packages
	@$(MAKE) --no-print-directory --jobs 4 --output-sync=target lint-python lint-sql lint-types lint-audit

lint-python: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-sql: $(STAMP)
	$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests orchestration/publication/views

lint-types: $(STAMP)
	$(BIN)/mypy

# Not a part of `make test`, which never leaves the machine. It fails only if it finds something.
LOCK := requirements.lock
lint-audit: $(STAMP)
	@said=$$($(BIN)/pip-audit -r $(LOCK) --require-hashes --disable-pip --progress-spinner off --timeout 10 2>&1); status=$$?; \
	skipped=$$(echo "$$said" | grep -c 'could not be audited'); \
	case "$$status $$said" in \
		*"Found "*"known vulnerabilit"*) echo "$$said"; exit 1 ;; \
		0*) echo "$(LOCK): no known vulnerability; $$skipped package(s) could not be audited from here" ;; \
		*) echo "$(LOCK) was not audited, the list of known vulnerabilities cannot be reached:"; echo "$$said" | tail -n 1 ;; \
	esac

format: $(STAMP)  ## Format Python and SQL
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/sqlfluff fix dbt_project/models dbt_project/tests orchestration/publication/views

bench: $(STAMP)  ## Measure runs, also with 400 dumps landed, and their ratio to the bare SQL
	@$(BIN)/python -m tests.bench

bench-logs: $(STAMP)  ## Measure request logs of 2 million rows beside bare SQL; ROWS=20000000 for so many, FULL=1 for all sizes
	@ROWS=$(ROWS) FULL=$(FULL) $(BIN)/python -m tests.bench_logs

fuzz-logs: $(STAMP)  ## Land 10,000 mutated request logs and see that nothing crashes and nothing leaks; CASES=500 for so many
	@$(BIN)/python -m tests.fuzz_logs $(or $(CASES),10000) 0

replay: $(STAMP)  ## Run every real or simulated nightly pull as its own night, and compare the last vintage with a fresh run; DIR for other pulls
	@$(BIN)/python -m tests.replay $(DIR)

year: $(STAMP)  ## Run a year of simulated nights, each with the clock of its day; NIGHTS=30 for so many
	NIGHTS=$(or $(NIGHTS),365) $(BIN)/python -m tests.year

chaos: $(STAMP)  ## Kill runs, pulls, prunes, rollbacks and corrections 100 times, then break the machine; KILLS=20 for so many
	KILLS=$(or $(KILLS),100) $(BIN)/python -m tests.chaos

test-postgres: $(STAMP)  ## Run Dagster on a real PostgreSQL, with its services as separate processes
	$(BIN)/pytest -m postgres tests/integration/test_postgres_instance.py

test-bi: $(STAMP) $(SUPERSET)/.installed browser  ## Open a vintage in Apache Superset, over DuckDB and over PostgreSQL
	$(BIN)/pytest -m bi tests/bi

# uv, because pip takes minutes for 160 packages. Two of them are only there as source; they are built
# with the setuptools of the lock.
$(SUPERSET)/.installed: tests/bi/build.txt tests/bi/superset.txt $(STAMP)
	rm -rf $(@D)
	$(BIN)/uv venv --quiet --no-python-downloads --python '>=3.11,<3.13' $(@D)
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes --only-binary :all: -r tests/bi/build.txt
	$(BIN)/uv pip install --quiet --python $(@D)/bin/python --require-hashes --no-deps --no-build-isolation \
		--only-binary :all: --no-binary odfpy --no-binary wtforms-json -r tests/bi/superset.txt
	@touch $@

spark: $(VENV)/.spark java  ## Install the second engine, Apache Spark

test-spark: spark $(OBJECT_STORE)/.installed  ## Build all models on Apache Spark and compare every cell with DuckDB
	$(BIN)/pytest -m spark tests/spark

bench-spark: spark  ## Reduce a day of request logs on DuckDB and on Spark, and compare; SIZES="2000000 50000000" for such days, FULL=1 for a vintage too
	@SIZES="$(SIZES)" FULL=$(FULL) $(BIN)/python -m tests.bench_spark

# pyspark is only there as source; it is built with the setuptools of the lock.
$(VENV)/.spark: requirements-spark.lock $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation -r $<
	@touch $@

$(OBJECT_STORE)/.installed: tests/spark/object_store.txt $(STAMP)
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: --target $(@D) -r $<
	@touch $@

java:  # Java for Spark: installed if this user may, otherwise a message says how
	@command -v java >/dev/null || \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq openjdk-17-jre-headless >/dev/null; \
	else echo "Spark needs Java 17 or newer: 'sudo apt-get install openjdk-17-jre-headless' (Debian), or your system's package."; exit 1; fi

mutants: $(STAMP) $(MUTANTS)/.installed  ## Check that tests fail for small mistakes in the code; ONLY=orchestration/landing for one room, SAMPLE=40 for so many
	$(BIN)/python -m tests.mutants $(if $(SAMPLE),--sample $(SAMPLE)) $(ONLY)

$(MUTANTS)/.installed: tests/mutants/requirements.txt $(STAMP)
	rm -rf $(@D)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: --target $(@D) -r $<
	@touch $@

lock: $(STAMP)  ## Resolve pyproject.toml into requirements.lock, and what Spark and Superset need
	$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --universal --no-strip-extras --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra spark --constraint requirements.lock --python-version 3.11 --universal \
		--no-strip-extras --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements-spark.lock
	$(BIN)/uv pip compile tests/bi/superset.in --python-version 3.11 --universal --no-strip-extras --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate -o tests/bi/superset.txt
	grep -o '^setuptools==[^ ]*' $(LOCK) | $(BIN)/uv pip compile - --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate -o tests/bi/build.txt
	$(BIN)/uv pip compile tests/spark/object_store.in --no-deps --python-version 3.11 --universal --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header --no-annotate -o tests/spark/object_store.txt

browser:  # Chromium for the report's test: installed if this user may, otherwise a message says how
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	else echo "The report's browser test needs Chromium: 'sudo apt-get install chromium' (Debian), or your system's package. The test is skipped without it."; fi

clean:  ## Remove warehouse, candidates and Dagster's data; keep dumps and vintages
	rm -rf data/warehouse data/candidates data/dagster
