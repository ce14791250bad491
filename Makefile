# The project's tasks; `make help` lists them. Needs only Python 3.11+, make and a package index.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
MONTHS ?= 2023-01..2023-03
SERVICES ?= green
REPORT ?= .taxi/last_run.json

.DEFAULT_GOAL := help
.PHONY: help env up-cluster env-scale env-large run up test test-slow test-shared-lake lint docs pictures dist release bench bench-data bench-large bench-train bench-serve bench-page bench-scale bench-workers lock clean

help: ## list the tasks
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

env: $(VENV)/.installed ## create the environment from the hashed lock

# uv installs the lock five times as fast as pip; pip is the fallback if uv cannot reach the index.
$(VENV)/.installed: requirements.lock pyproject.toml
	@echo "Creating the environment in $(VENV) (once; about a minute) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@grep -A 200 '^uv==' requirements.lock | awk 'NR == 1 || /^ +--hash/ {print; next} {exit}' > $(VENV)/uv.lock.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.lock.txt
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --system-certs --require-hashes --no-deps --compile-bytecode -r requirements.lock \
	  || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

env-scale: env ## add the packages of PostgreSQL and S3
env-large: env ## add the packages of training on more trips than fit into memory
env-scale env-large: env-%:
	@VIRTUAL_ENV=$(VENV) $(BIN)/uv pip install -q --system-certs --require-hashes --no-deps -r requirements-$*.lock \
	  || $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --no-deps -r requirements-$*.lock

run: env ## months -> checked data -> model -> Bento -> one prediction
	@$(BIN)/taxi run --months '$(MONTHS)' --services '$(SERVICES)' --json '$(REPORT)'

up: env ## Dagster, MLflow, the Bento and the reports, until Ctrl-C
	@exec $(BIN)/taxi up

up-cluster: env-scale ## the same with PostgreSQL, S3, Redis, two workers, two endpoints and a proxy
	@exec $(BIN)/taxi up --cluster

test: env ## every fast test, warnings as errors
	@$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not slow"

test-slow: env ## stress and browser tests: kills, load, Chromium
	@$(BIN)/python -m pytest -m slow

SHARED_LAKE = publishing receiving quality alerts prediction_log test_warehouse.py test_warehouse_isolation.py \
	test_maintenance.py test_dataset.py test_backtest.py test_live_performance.py test_variant_comparison.py

test-shared-lake: env-scale ## the fast tests of the warehouse, in PostgreSQL and S3
	@$(BIN)/python -m pytest -n 2 --dist loadscope -m "not slow" --shared-lake $(SHARED_LAKE:%=taxi_assets_tests/integration/%)

lint: env ## style, types, Dockerfile
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/hadolint Dockerfile

docs: env ## the documents as a site in build/site, every link checked
	@$(BIN)/python -m docs.site.build

pictures: env ## the documents' pictures, from a run on real months in Chromium; needs TAXI_TLC_SOURCE
	@PYTHONPATH=. $(BIN)/python taxi_assets_tests/e2e/readme_pictures.py docs/images

dist: env ## sdist and wheel of the checkout's commit in dist/
	@$(BIN)/python -m deploy.release_files

release: env ## the release VERSION=0.2.0: changelog, sdist, wheel, Bento, commit, tag
	@$(BIN)/python -m deploy.make_release '$(VERSION)' --check 'make lint VENV=$(VENV)'

bench: bench-data bench-train bench-serve ## all benchmarks; figures in .taxi/bench/

bench-data: env ## ingestion of a month, against pandas
bench-large: env ## ingestion of 50,000,000 rows in little memory; takes 15 minutes
bench-train: env ## training and loading, against the bare libraries
bench-serve: env ## predictions over HTTP, against scikit-learn and a bare web framework
bench-page: env ## the rider's page in Chromium: first answer, weight, repaint
bench-scale: env-large ## training on 2 to 20 million trips in little memory; takes half an hour
bench-workers: env-scale ## 36 months on one worker and on two; takes a quarter of an hour
bench-data bench-large bench-train bench-serve bench-page bench-scale bench-workers:
	@$(BIN)/python -m benchmarks.$(subst -,_,$@)

lock: env ## renew requirements.lock, and the locks of the extras and the image
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  --extra dev pyproject.toml requirements.in -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  -c requirements.lock requirements-scale.in -o requirements-scale.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  -c requirements.lock requirements-large.in -o requirements-large.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	  -c requirements.lock -c requirements-scale.lock --excludes deploy/image/excludes.txt --extra scale --extra kubernetes \
	  pyproject.toml requirements.in -o deploy/image/requirements.lock

clean: ## remove the environment and everything the platform created here
	@rm -rf $(VENV) .taxi build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
