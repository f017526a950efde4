# Every target makes the virtual environment it needs, from python3 alone.
PYTHON ?= python3
TEST_PROCESSES ?= 3
TESTS_OF_EVENTS := tests/profile tests/governance tests/state tests/kafka tests/kinesis tests/worker tests/backfill \
	tests/test_fuzz.py
LIVES = $(if $(SEED),--seed $(SEED),$(if $(DEFINITION_SEED),--definition-seed $(DEFINITION_SEED),--seeds $(or $(SEEDS),1000) --first $(or $(FIRST),0)))
SBOM ?= build/processor.cdx.json
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILED := .venv-compiled
COMPILED_READY := $(COMPILED)/.ready
COMPILED_SOURCES := pyproject.toml native/hatch_build.py $(wildcard native/Cargo.* native/src/*.rs native/src/*/*.rs) \
	$(wildcard $(addprefix processor/,*.py */*.py */*/*.py */*/*/*.py))
COMPILED_PYTHON := PYTHONSAFEPATH=1 $(COMPILED)/bin/python
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.PHONY: help demo test test-compiled simulate simulate-compiled night bench bench-quick bench-docs lint format screenshots manifests rules docs lock sbom clean

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: $(READY) ## a real Kafka, a Kinesis emulator and the processor between them, on this machine
	@$(BIN)/processor demo $(DEMO_OPTIONS)

test: $(READY) ## all tests; the servers that they need are started by themselves
	$(BIN)/pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --max-worker-restart 0 $(TEST_OPTIONS)

test-compiled: $(COMPILED_READY) ## all that events pass through, on the compiled build
	TESTS_COMPILED=1 $(COMPILED_PYTHON) -m pytest --import-mode=append --numprocesses $(TEST_PROCESSES) --dist loadfile \
		--max-worker-restart 0 -m "not integration" $(TESTS_OF_EVENTS) $(TEST_OPTIONS)

simulate: $(READY) ## SEEDS=… lives of the workers, and of the definition in Kafka, in a simulated world, from FIRST=… on, or one: SEED=…, DEFINITION_SEED=…
	$(BIN)/python -m tests.simulation $(LIVES)

simulate-compiled: $(COMPILED_READY) ## as simulate, on the compiled build
	$(COMPILED_PYTHON) -m tests.simulation $(LIVES)

night: $(READY) ## an hour of all that goes wrong at night, MINUTES=… SEED=…, on real servers; ends with a table
	$(BIN)/python -m tests.night --minutes $(or $(MINUTES),60) --seed $(or $(SEED),1) $(NIGHT_OPTIONS)

bench: $(COMPILED_READY) ## all benchmarks, on this machine, alone: hours; figures, plots and tables are written anew
	$(COMPILED_PYTHON) -m benchmarks.endpoint.proof --keep
	$(COMPILED_PYTHON) -m benchmarks.end_to_end --keep end_to_end
	$(COMPILED_PYTHON) -m benchmarks.peers --against Flink --events 3000000 --event-bytes 1400 --keep flink
	$(COMPILED_PYTHON) -m benchmarks.peers --keep peers
	$(COMPILED_PYTHON) -m benchmarks.peers.order --keep
	$(COMPILED_PYTHON) -m benchmarks.scaling --keep
	$(COMPILED_PYTHON) -m benchmarks.endurance --keep
	$(COMPILED_PYTHON) -m benchmarks.partitions --keep
	$(COMPILED_PYTHON) -m benchmarks.backfill --keep
	$(COMPILED_PYTHON) -m benchmarks.api_load --keep
	$(COMPILED_PYTHON) -m benchmarks.stages --keep
	$(COMPILED_PYTHON) -m benchmarks.steady_profile --keep
	$(COMPILED_PYTHON) -m benchmarks.writer --keep
	$(COMPILED_PYTHON) -m benchmarks.state --keep
	$(MAKE) bench-docs

bench-quick: $(COMPILED_READY) ## the most telling of them, short, in some minutes; nothing is kept
	$(COMPILED_PYTHON) -m benchmarks.peers --events 200000 --runs 1
	@echo "Flink's JIT has not compiled all in so few events: \`make bench\` has 3,000,000 for it"
	$(COMPILED_PYTHON) -m benchmarks.end_to_end --events 200000 --runs 1 --latency-seconds 5
	$(COMPILED_PYTHON) -m benchmarks.stages --fast
	$(COMPILED_PYTHON) -m benchmarks.backfill --profiles 200000 --live-seconds 3 --rate 5000 --many 0

bench-docs: $(READY) ## constants of `processor size`, plots and tables, from benchmarks/results
	$(BIN)/python -m benchmarks.constants
	$(BIN)/python -m benchmarks.plots
	$(BIN)/python -m benchmarks.document

lint: $(READY) ## style, types, and what is unsafe; of native/ as well where there is cargo
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive --severity-level medium processor
	$(BIN)/pip check --quiet
	@if cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1; then \
		echo "cargo fmt --check && cargo clippy" && cd native && cargo fmt --check && \
			cargo clippy --quiet --offline --locked --all-targets -- --deny warnings; \
	else \
		echo "native/ was not looked at: cargo with fmt and clippy is not installed (apt-get install cargo rustfmt rust-clippy)"; \
		test -z "$$TESTS_SKIP_NOTHING"; \
	fi

format: $(READY) ## rewrite the code in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	@if cargo fmt --version >/dev/null 2>&1; then cd native && cargo fmt; fi

screenshots: $(READY) ## take the pictures of the docs anew, with Chromium, of services that run
	$(BIN)/python -m tests.web.screenshots

manifests: ## write the dashboard and the Prometheus operator's object anew from what they are made from
	$(PYTHON) deploy/grafana/dashboard.py > deploy/grafana/processor.json
	$(PYTHON) deploy/prometheus/prometheusrule.py > deploy/prometheus/prometheusrule.yaml

rules: ## the alert rules, for a Prometheus without the operator; RUNBOOK=https://… is where docs/operations.md is read
	@$(PYTHON) deploy/prometheus/rules.py $(RUNBOOK)

docs: $(READY) ## write docs/configuration.md, metrics.md, commands.md and openapi.json anew from the code
	$(BIN)/python -m processor.reference.configuration > docs/configuration.md
	$(BIN)/python -m processor.reference.metrics > docs/metrics.md
	$(BIN)/python -m processor.reference.commands > docs/commands.md
	$(BIN)/python -m processor.reference.openapi > docs/openapi.json

lock: $(READY) ## resolve the lock files anew: all, what the image runs, what the image is built with
	$(BIN)/pip install --quiet uv
	$(LOCK) --upgrade --extra dev --extra demo -o requirements.lock pyproject.toml
	$(LOCK) --constraint requirements.lock --extra msk-iam --extra otel -o deploy/requirements.lock pyproject.toml
	$(LOCK) --constraint requirements.lock --group build -o deploy/build.lock

sbom: $(READY) ## what of Python's the image has, with hashes, as CycloneDX: SBOM=build/processor.cdx.json
	@mkdir -p $(dir $(SBOM))
	PYTHONWARNINGS=ignore::UserWarning $(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		-o $(SBOM) deploy/requirements.lock

clean: ## remove the virtual environments, what cargo built, and all caches
	rm -rf $(VENV) $(COMPILED) native/target build .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	@echo "Preparing $(VENV) (once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

# The compiled build, in an environment of its own that borrows the other one's dependencies. The library is in its wheel
# alone: beside the sources it would be imported where the sources are what is asked for.
$(COMPILED_READY): $(READY) $(COMPILED_SOURCES)
	@echo "Compiling into $(COMPILED)"
	@rm -rf $(COMPILED)
	@$(BIN)/python -m venv --without-pip $(COMPILED)
	@HATCH_BUILD_HOOKS_ENABLE=1 $(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-build-isolation --no-deps \
		--wheel-dir $(COMPILED)/wheel .
	@$(BIN)/python -m pip --python $(COMPILED)/bin/python install --quiet --disable-pip-version-check --no-index --no-deps \
		$(COMPILED)/wheel/*.whl
	@$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib')); print('$(CURDIR)')" \
		> $$($(COMPILED)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/borrowed.pth
	@touch $@
