# Release Watch. `make help` lists the targets.

.DEFAULT_GOAL := help
.NOTPARALLEL:
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

VENV := .venv
PY := $(CURDIR)/$(VENV)/bin/python
INSTALLED := $(VENV)/.installed

# What `make run` shows; `make run SCENARIO=nonsense` lists them.
SCENARIO ?= healthy
# INTERACTIVE=1: you answer and acknowledge in the browser.
INTERACTIVE ?= 0
# Which Python makes the environment; by default the first of these that is 3.11, 3.12 or 3.13.
PYTHONS := python3 python3.11 python3.12 python3.13
PYTHON ?=
# Only `make constraints` needs it.
UV ?= uv
# More arguments for pytest: make test-fast ARGS='-k burn'
ARGS ?=

# The environment is made with a Python from outside of it.
ifndef SYSTEM_PATH
export SYSTEM_PATH := $(PATH)
endif
# Airflow starts its own parts as `airflow ...`.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export PYTHONPATH :=
export GX_ANALYTICS_ENABLED := false

SLOW_TESTS := tests/chaos tests/integration tests/e2e
# Only where a test drives one.
BROWSER := $(if $(shell grep -rlE '(from|import) playwright' tests 2>/dev/null),browser)

##@ Use it
.PHONY: help run stop sandbox-up env
help: ## list the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  make run SCENARIO=latency-regression   break the release in one way; SCENARIO=nonsense lists the ways"
	@echo "  make run INTERACTIVE=1                 answer the questions yourself, in the browser"

run: setup ## deploy a release of the sandbox shop and follow its monitoring to the end
	@"$(PY)" -m sandbox run --scenario "$(SCENARIO)"$(if $(filter 1 yes true,$(INTERACTIVE)), --interactive)

stop: ## end everything that run or sandbox-up started
	@if [ -x "$(PY)" ]; then "$(PY)" -m sandbox down; else echo "Nothing runs: there is no $(VENV) yet."; fi

sandbox-up: setup ## start only the sandbox: the servers and the shop under load
	@"$(PY)" -m sandbox up

env: ## write .env with fresh secrets for docker compose
	@$(find_python); "$$python" docker/new_env.py

##@ Check it
.PHONY: test lint types format test-fast test-integration test-e2e bench detection
test: setup ## everything: lint, types, fast tests, integration, end to end; stops at the first that fails
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory types
	@$(MAKE) --no-print-directory test-fast
	@$(MAKE) --no-print-directory test-integration
	@$(MAKE) --no-print-directory test-e2e

lint: setup ## ruff: rules and format
	"$(PY)" -m ruff check .
	"$(PY)" -m ruff format --check .

types: setup ## mypy --strict on the package
	"$(PY)" -m mypy

format: setup ## let ruff put the code into shape
	"$(PY)" -m ruff check --fix .
	"$(PY)" -m ruff format .

test-fast: setup ## tests that need no server
	"$(PY)" -m pytest tests $(SLOW_TESTS:%=--ignore=%) -n 2 --dist loadfile $(ARGS)

# They wait more than they work, so there are more of them at a time than cores; the longest come first.
test-integration: setup ## tests against the real servers of the sandbox
	"$(PY)" -m pytest $(wildcard $(filter-out tests/e2e,$(SLOW_TESTS))) \
		-n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-e2e: setup $(BROWSER) ## one whole run in a started Airflow
	"$(PY)" -m pytest tests/e2e $(ARGS)

bench: setup ## the measurements of docs/performance.md
	"$(PY)" -m benchmarks $(ARGS)

detection: setup ## how well the judge tells bad releases from healthy ones: docs/detection.md
	"$(PY)" -m benchmarks.detection $(ARGS)

##@ Set it up
.PHONY: setup browser schemas constraints clean
setup: $(INSTALLED) ## make .venv with everything in it; does nothing when it is there

# Sets $python, or says what to install.
define find_python
python=""; PATH="$(SYSTEM_PATH)"; \
for candidate in $(if $(PYTHON),"$(PYTHON)",$(PYTHONS)); do \
	if "$$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then \
		python="$$candidate"; break; \
	fi; \
done; \
if [ -z "$$python" ]; then \
	echo "Python 3.11, 3.12 or 3.13 is needed; none of these is one: $(if $(PYTHON),$(PYTHON),$(PYTHONS))." >&2; \
	echo "Install one, or name it: make $(or $(MAKECMDGOALS),setup) PYTHON=/path/to/python3.12" >&2; \
	exit 1; \
fi
endef

$(INSTALLED): requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	@if ! "$(PY)" -m pip --version >/dev/null 2>&1; then \
		$(find_python); \
		echo "Making $(VENV) with $$("$$python" --version)"; \
		"$$python" -m venv --clear $(VENV) || { \
			echo "This Python cannot make environments; on Debian and Ubuntu install python3-venv." >&2; exit 1; }; \
	fi
	@echo "Installing requirements.txt and requirements-dev.txt at the versions of constraints.txt (a few minutes)"
	@"$(PY)" -m pip install -qq --disable-pip-version-check \
		-r requirements.txt -r requirements-dev.txt -c constraints.txt
	@"$(PY)" -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@

browser: ## a Chromium for the tests of the pages, from the distribution's packages
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; then \
		exit 0; \
	fi; \
	as_root=""; \
	if [ "$$(id -u)" -ne 0 ]; then \
		if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root="sudo"; else as_root="no"; fi; \
	fi; \
	if [ "$$as_root" = no ] || ! command -v apt-get >/dev/null; then \
		echo "No Chromium on PATH, and it cannot be installed from here: that takes root and apt-get." >&2; \
		echo "Install it (Debian: apt-get install chromium) and try again." >&2; \
		exit 1; \
	fi; \
	echo "Installing Chromium"; \
	$$as_root apt-get -qq update; \
	DEBIAN_FRONTEND=noninteractive $$as_root apt-get -qq install -y --no-install-recommends chromium >/dev/null

schemas: setup ## write the JSON Schemas of the artifacts into docs/schemas
	"$(PY)" -m release_watch.artifacts docs/schemas

constraints: ## resolve constraints.txt anew; keeps what still fits (ARGS=--upgrade takes the newest)
	@command -v "$(UV)" >/dev/null || { echo "uv is needed: pip install uv, or UV=/path/to/uv" >&2; exit 1; }
	"$(UV)" pip compile --quiet --universal --python-version 3.11 --strip-extras \
		requirements.txt requirements-dev.txt -o constraints.txt $(ARGS)

clean: stop ## end what runs and remove everything that was made here
	rm -rf $(VENV) .sandbox .airflow .artifacts .cache build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find include -maxdepth 1 -name '*.egg-info' -exec rm -rf {} +
