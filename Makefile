# `make` lists the targets. Each does all its own set-up; only Python 3.11 or later is needed.
# ARGS passes options on: make run ARGS="--port 9000", make test ARGS="tests/unit -k consent".

.DEFAULT_GOAL := help
.PHONY: help sync run test storms check bench faults fuzz format events
MAKEFLAGS += --no-print-directory
# Images set it to stay small. Here each process would compile all that it imports, for half its start.
unexport PYTHONDONTWRITEBYTECODE
BIN := .venv/bin

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

sync:
	@deploy/scripts/sync.sh

run: sync ## Run the whole hub on this machine, demo region included, until Ctrl-C
	@exec $(BIN)/throughline up $(ARGS)

test: sync ## Run all tests: real Kafka, real PostgreSQL, real browser
	@deploy/scripts/chromium.sh
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

storms: sync ## Run the fault tests of `make test` with three minutes of faults each
	@THREAD_FAULTS_S=180 PROJECTIONS_FAULTS_S=180 $(BIN)/python -m pytest -n 2 --dist loadfile tests/faults $(ARGS)

check: sync ## Format, lint, types, direction of imports, generated files
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --strict
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m schemas.build --check
	@$(BIN)/python -m services.projections.describe --check
	@$(BIN)/python -m services.cli.readers --check
	@$(BIN)/python -m services.registry.asyncapi --check

bench: sync ## Measure everything, each figure beside what it is compared with
	@$(BIN)/throughline bench $(ARGS)

faults: sync ## Run the long fault suites
	@$(BIN)/python -m pytest -m faults_long --timeout 0 $(ARGS)

fuzz: sync ## Run the long fuzzing
	@$(BIN)/python -m pytest -m fuzz_long --timeout 0 --hypothesis-profile hub $(ARGS)

format: sync ## Format the code and put right what can be
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format --quiet .

events: sync ## Generate what is made from the .avsc files and from the read model
	@$(BIN)/python -m schemas.build
	@$(BIN)/python -m services.projections.describe
	@$(BIN)/python -m services.cli.readers
	@$(BIN)/python -m services.registry.asyncapi
