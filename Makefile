# Everything a fresh clone needs, by `python3 -m venv` and pip alone. `make` lists the targets.

.DEFAULT_GOAL := help
SHELL := /bin/sh

# Which Python makes the environment; 3.11 or newer. `make PYTHON=python3.12 env` picks another.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

# Where `make serve` finds the demo's database and where it listens.
DEMO_STORE ?= sqlite:///.demo/slotlease.db
GRPC ?= 127.0.0.1:50051
REST ?= 127.0.0.1:8080

# `make test` runs so many tests at a time (docs/decisions/0027), and those that measure afterwards, one by one.
TESTS_AT_ONCE ?= 2

# `make mutants` tries so many at a time.
MUTANTS_AT_ONCE ?= 2

# The only part that is not in a lock file, since it makes them.
UV := build/uv/bin/uv
UV_VERSION := 0.13.9
COMPILE := $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' $(UPGRADE)

FUZZ_S ?= 600

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: env ## play a customer's story against a real server, and show it as a table
	$(BIN)/slotlease demo

.PHONY: serve
serve: env ## serve the demo's database until Ctrl-C (GRPC=HOST:PORT, REST=HOST:PORT)
	@test -e '$(DEMO_STORE:sqlite:///%=%)' || $(BIN)/slotlease demo
	$(BIN)/slotlease serve --store $(DEMO_STORE) --grpc $(GRPC) --rest $(REST)

.PHONY: test
test: lint ## every check and every test (TESTS='-k lease' for some of them)
ifdef TESTS
	$(BIN)/python -m pytest $(TESTS)
else
	$(BIN)/python -m pytest --numprocesses $(TESTS_AT_ONCE) --dist loadfile -m 'not alone'
	$(BIN)/python -m pytest -m alone
endif

.PHONY: lint
lint: env-dev ## every check but the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python proto/generate.py --check

.PHONY: prove
prove: env-dev ## the long versions of all proofs (PROVE='--only crash --seed 7 --scale 2')
	nice $(BIN)/python -m tests.prove $(PROVE)

.PHONY: bench-quick
bench-quick: env-dev ## speed in a minute: nine rows, one run of each (docs/performance.md)
	$(BIN)/python -m bench quick $(BENCH)

.PHONY: bench
bench: env-dev ## speed in eight minutes: every workload, three runs of each, on a quiet machine
	$(BIN)/python -m bench usual $(BENCH)

.PHONY: bench-full
bench-full: env-dev ## speed at length: the cross of workloads, stores, transports and loads, and ledgers of 10 million slots
	$(BIN)/python -m bench full $(BENCH)

.PHONY: bench-peers
bench-peers: env-dev ## speed beside what could be used, or written, in our place, on PostgreSQL
	@$(PIP) install --target build/bench/peers --upgrade --requirement bench/peers/requirements-plain.txt \
		--requirement bench/peers/requirements-libres.txt
	$(BIN)/python -m bench peers $(BENCH)
	PYTHONPATH=src:.:build/bench/peers $(BIN)/python -m bench.peers.libres_holds

.PHONY: bench-pretix
bench-pretix: env-dev ## how fast pretix puts an item into a cart (half an hour, most of it to install and to migrate)
	$(PYTHON) -m venv build/pretix
	build/pretix/bin/python -m pip --disable-pip-version-check --no-input --quiet install -r bench/peers/requirements-pretix.txt
	PYTHONPATH=src:. $(BIN)/python -m bench.peers.pretix_holds build/pretix/bin/python

.PHONY: mutants
mutants: env-dev ## spoil the rules and the desk in one place at a time: their tests must notice (half an hour)
	nice $(BIN)/mutmut run --max-children $(MUTANTS_AT_ONCE)
	$(BIN)/python -m tests.mutants

.PHONY: cover
cover: env-dev ## the tests, and which lines and branches they never take; of the rules, none may be left
	$(BIN)/python -m pytest --quiet --cov --cov-report= tests/domain tests/desk
	$(BIN)/python -m coverage report --include='src/slotlease/domain/*' --fail-under=100
	$(BIN)/python -m pytest --cov $(TESTS)

.PHONY: format
format: env-dev ## lay out the code and mend what can be mended
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

.PHONY: proto
proto: env-dev ## make src/slotlease/wire/proto anew from proto/
	$(BIN)/python proto/generate.py

.PHONY: env
env: $(VENV)/made-env ## .venv with what the program needs, from requirements.lock

.PHONY: env-dev
env-dev: $(VENV)/made-env-dev ## the same .venv with what the tests and checks need as well

.PHONY: fuzz
fuzz: $(VENV)/made-env-fuzz ## atheris over every request message of both versions (FUZZ_S=600 seconds)
	@mkdir -p build/fuzz
	nice $(BIN)/python -m tests.fuzz.run build/fuzz tests/fuzz/corpus -max_total_time=$(FUZZ_S) -max_len=4096 \
		-artifact_prefix=build/ -print_final_stats=1

.PHONY: lock
lock: $(UV) ## make both lock files anew after a change in pyproject.toml (UPGRADE=--upgrade: newest versions)
	$(COMPILE) --group dev --output-file requirements-dev.lock
	$(COMPILE) --group build --constraint requirements-dev.lock --output-file requirements.lock
	$(COMPILE) --group fuzz --constraint requirements-dev.lock --output-file requirements-fuzz.lock
	@! grep -n '://' requirements.lock requirements-dev.lock requirements-fuzz.lock || { echo 'A lock file must name no address.' >&2; exit 1; }

.PHONY: clean
clean: ## remove everything that make made, the demo's database too
	rm -rf $(VENV) build dist mutants .demo .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests bench proto -name __pycache__ -type d -prune -exec rm -rf {} +

# Both lock files hold the same versions of what they share, so one environment serves for both: the second install only
# adds. Our own package comes last and offline, by the build back end that the lock files hold.
$(VENV)/made-env: requirements.lock pyproject.toml | $(BIN)/python
	@echo 'Installing what requirements.lock lists into $(VENV) ...'
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/made-env-dev: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo 'Installing what requirements-dev.lock lists into $(VENV) ...'
	@$(PIP) install --require-hashes --requirement requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $(VENV)/made-env $@

# Only here: atheris is not there for every Python that Slotlease runs on.
$(VENV)/made-env-fuzz: requirements-fuzz.lock $(VENV)/made-env-dev
	@$(PIP) install --require-hashes --requirement requirements-fuzz.lock
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo '$(PYTHON) was not found. Slotlease needs Python 3.11 or newer. Install it:'; \
		echo '  Debian, Ubuntu: apt install python3 python3-venv     Fedora: dnf install python3'; \
		echo 'or name another one: make PYTHON=/path/to/python3.12 ...'; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) --version 2>&1). Slotlease needs Python 3.11 or newer. Install one:"; \
		echo '  Debian, Ubuntu: apt install python3.11 python3.11-venv     Fedora: dnf install python3.12'; \
		echo 'and name it: make PYTHON=python3.11 ...'; exit 1; } >&2
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo '$(PYTHON) cannot make a virtual environment: its module venv or ensurepip is missing. Install it:'; \
		echo '  Debian, Ubuntu: apt install python3-venv     Fedora: dnf install python3-libs'; exit 1; } >&2
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(UV):
	$(PYTHON) -m venv build/uv
	build/uv/bin/python -m pip --disable-pip-version-check --no-input --quiet install uv==$(UV_VERSION)
