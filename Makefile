# Everything runs in .venv, which is made on first use and again when its lists of packages change.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help env demo serve test check format benchmarks clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

env: $(STAMP)  ## create the environment

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make needs Python 3.11: set PYTHON to its path"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the packages (a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## train, search and export a network on the digits data, through the API
	@$(BIN)/espalier demo

serve: $(STAMP)  ## run the service on 127.0.0.1:8000
	@$(BIN)/espalier serve

# One thread for each process, and none that spins while it waits: they share the cores.
test: export OMP_NUM_THREADS = 1
test: export OMP_WAIT_POLICY = passive
# Tests start many processes: none of them shall compile what another has compiled.
test: export PYTHONDONTWRITEBYTECODE =
test: $(STAMP)  ## run all tests, whole files in three processes
	@$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

check: $(STAMP)  ## lint, types, imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(STAMP)  ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

benchmarks: $(STAMP)  ## run every benchmark in its quick form
	@for script in benchmarks/[a-z]*.py; do \
		case $$script in */harness.py) continue;; esac; \
		$(BIN)/python $$script --quick || exit 1; \
	done

clean:  ## remove the environment and caches
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
