# make serve    install what serving needs into .venv, and serve the shipped bundles
# make test     install everything into .venv-dev, then lint and test
# make lint     formatting, lint, types and imports alone
# make wheel    build dist/regard-VERSION-py3-none-any.whl, the shipped bundles within
# make bench    measure the service; REGARD_DATA is the folder that holds snips/
# make clean    remove every environment and every cache

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SERVE := .venv
DEV := .venv-dev
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: serve test lint wheel bench clean
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

# Of one commit come the same bytes, as nothing in the wheel is younger. What an earlier build left
# would be packed, too.
wheel: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
wheel: $(SERVE)/installed
	@rm -rf build
	@$(SERVE)/bin/pip wheel -q --no-deps -w dist .
	@ls dist/regard-$(VERSION)-py3-none-any.whl

bench: $(DEV)/installed
	@$(DEV)/bin/python bench/serving.py

clean:
	rm -rf $(SERVE) $(DEV) bench/.peers build dist *.egg-info
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SERVE)/installed: EXTRAS := cpu
$(DEV)/installed: EXTRAS := cpu,train,dev
%/installed: pyproject.toml constraints.txt
	@echo "Installing into $* ..."
	@$(PYTHON) -m venv $*
	@$*/bin/pip install -q -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
