# Every target makes the virtual environment it needs, from python3 alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test simulate bench bench-quick bench-docs lint format docs lock clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(READY) ## a real Kafka, a Kinesis emulator and the processor between them, on this machine
	@$(BIN)/processor demo $(DEMO_OPTIONS)

test: $(READY) ## all tests; the servers that they need are started by themselves
	$(BIN)/pytest $(TEST_OPTIONS)

simulate: $(READY) ## SEEDS=… lives of the workers in a simulated world, or one: SEED=…
	$(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),1000))

bench: $(READY) ## all benchmarks, on this machine, alone: hours; figures, plots and tables are written anew
	$(BIN)/python -m benchmarks.endpoint.proof
	$(BIN)/python -m benchmarks.end_to_end --keep end_to_end
	$(BIN)/python -m benchmarks.peers --keep peers
	$(BIN)/python -m benchmarks.scaling --keep
	$(BIN)/python -m benchmarks.endurance
	$(BIN)/python -m benchmarks.stages --keep
	$(BIN)/python -m benchmarks.steady_profile
	$(BIN)/python -m benchmarks.writer
	$(BIN)/python -m benchmarks.state
	$(MAKE) bench-docs

bench-quick: $(READY) ## the most telling of them, short, in some minutes; nothing is kept
	$(BIN)/python -m benchmarks.end_to_end --events 200000 --runs 1 --latency-seconds 5
	$(BIN)/python -m benchmarks.peers --events 200000 --runs 1
	$(BIN)/python -m benchmarks.stages --fast

bench-docs: $(READY) ## constants of `processor size`, plots and tables, from benchmarks/results
	$(BIN)/python -m benchmarks.constants
	$(BIN)/python -m benchmarks.plots
	$(BIN)/python -m benchmarks.document

lint: $(READY) ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## rewrite the code in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## write docs/configuration.md anew from the code
	$(BIN)/python -m processor.reference > docs/configuration.md

lock: $(READY) ## resolve requirements.lock anew
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--extra dev --extra demo --no-header --no-emit-index-url -o requirements.lock pyproject.toml

clean: ## remove the virtual environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	@echo "Preparing $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@
