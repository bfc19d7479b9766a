# make serve    install what serving needs into .venv, and serve the shipped bundles
# make test     install everything into .venv-dev, then lint and test
# make lint     formatting, lint, types and imports alone
# make bench    measure the service; REGARD_DATA is the folder that holds snips/
# make clean    remove every environment and every cache

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SERVE := .venv
DEV := .venv-dev

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: serve test lint bench clean
.DEFAULT_GOAL := serve

serve: $(SERVE)/installed
	@exec $(SERVE)/bin/regard serve

test: lint
	@$(DEV)/bin/pytest

lint: $(DEV)/installed
	@$(DEV)/bin/ruff format --check
	@$(DEV)/bin/ruff check
	@$(DEV)/bin/mypy
	@$(DEV)/bin/lint-imports

bench: $(DEV)/installed
	@$(DEV)/bin/python bench/serving.py

clean:
	rm -rf $(SERVE) $(DEV) bench/.peers build *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SERVE)/installed: EXTRAS := cpu
$(DEV)/installed: EXTRAS := cpu,train,dev
%/installed: pyproject.toml constraints.txt
	@echo "Installing into $* ..."
	@$(PYTHON) -m venv $*
	@$*/bin/pip install -q -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
