# The two commands: `make run` and `make test`. Everything lives in .venv and can be deleted.
# Works with GNU make 3.81 and later. Another Python: make PYTHON=python3.12 run

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PAGE := src/keepline/admin/static/index.html
# Who has no Node runs all the same, and the page says what is missing.
TRY_PAGE = @$(MAKE) --silent dashboard || echo 'It goes on without the dashboard.' >&2
UV := uv==0.13.9

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test soak bench conformance dashboard lint types imports check lock clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*##/:/' | \
		while IFS=: read -r name text; do printf '  make %-12s%s\n' "$$name" "$$text"; done

run: $(VENV)/.run  ## start a gateway with a few simulated devices; Ctrl-C ends it
	$(TRY_PAGE)
	@$(BIN)/python tools/foreground.py $(BIN)/keepline demo $(ARGS)

# Most of the time is real time that passes: two files at once take half of it. A test that hangs ends its process;
# another in its place may wait for ever (pytest-xdist 3.8), and the test would have no name.
test: $(VENV)/.test  ## run every test but the long ones
	$(TRY_PAGE)
	$(BIN)/pytest -n 2 --dist loadfile --max-worker-restart 0 $(ARGS)

soak: $(VENV)/.test  ## run the long tests
	$(BIN)/pytest -m soak -vv --durations=0 -o faulthandler_timeout=1800 $(ARGS)

bench: $(VENV)/.bench  ## measure Keepline beside its peers
	$(BIN)/python -m bench $(ARGS)

conformance: $(VENV)/.test  ## run the Autobahn suite against the echo server
	$(BIN)/python -m tests.conformance.run $(ARGS)

dashboard: $(PAGE)  ## build the dashboard's page with Node from PyPI

$(PAGE): $(shell find dashboard -name node_modules -prune -o -type f -print) $(VENV)/.page
	$(BIN)/python -m tools.dashboard

lint: $(VENV)/.test  ## check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test $(VENV)/.bench  ## check types, strictly
	$(BIN)/mypy

imports: $(VENV)/.test  ## check who may import whom
	$(BIN)/lint-imports

check: lint types imports test  ## lint, types, imports, test: all that must hold

lock: $(VENV)/.python  ## write the lock files anew from pyproject.toml
	$(BIN)/python -m pip install --quiet '$(UV)'
	$(LOCK) --group build -o requirements/run.txt
	$(LOCK) --group build --group page -c requirements/run.txt -o requirements/page.txt
	$(LOCK) --group build --group page --group test -c requirements/run.txt -o requirements/test.txt
	$(LOCK) --group build --group bench -c requirements/test.txt -o requirements/bench.txt

LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command 'make lock' $(UPGRADE)

clean:  ## remove the environment and every cache
	rm -rf $(VENV) build dist dashboard/node_modules $(dir $(PAGE)) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/.python:
	@test -n '$(PYTHON)' || { echo 'Keepline needs Python 3.11 or newer: make PYTHON=python3.12 run' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# One stamp per lock file: what is up to date is not installed again.
$(VENV)/.%: requirements/%.txt pyproject.toml $(VENV)/.python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
