# make serve    install what serving needs into .venv, and serve the shipped bundles
# make test     install everything into .venv-dev, then lint and test
# make lint     formatting, lint, types and imports alone
# make wheel    build dist/regard-VERSION-py3-none-any.whl, the shipped bundles within
# make bench    measure the service; REGARD_DATA is the folder that holds snips/
# make image    build the container image; TARGET=gpu for the one with CUDA, BASE for another base
# make image-test   build it, run it and test it; where no engine is, Debian's Podman is installed
# make sbom     what the image holds, with licences, as CycloneDX: regard.cdx.json
# make clean    remove every environment and every cache

PYTHON ?= $(shell command -v python3.11 || command -v python3)
SERVE := .venv
DEV := .venv-dev
VERSION := $(shell sed -n 's/^version = "\(.*\)"$$/\1/p' pyproject.toml)

export PIP_DISABLE_PIP_VERSION_CHECK = 1

DOCKER ?= $(shell for one in docker podman; do $$one info >/dev/null 2>&1 && echo $$one && break; done)
IMAGE ?= regard
TARGET ?= cpu
TAGS := $(if $(TARGET:gpu=),latest $(VERSION),gpu $(VERSION)-gpu)
# Else Podman leaves the health check out.
export BUILDAH_FORMAT = docker

.PHONY: serve test lint wheel bench image image-test sbom clean
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

image:
	@$(DOCKER) build --target $(TARGET) $(TAGS:%=--tag $(IMAGE):%) $(if $(BASE),--build-arg BASE=$(BASE)) \
	  --label org.opencontainers.image.version=$(VERSION) \
	  --label org.opencontainers.image.revision=$$(git rev-parse HEAD) \
	  --label org.opencontainers.image.created=$$(date -u +%Y-%m-%dT%H:%M:%SZ) .

image-test: $(DEV)/installed
	@$(DEV)/bin/pytest tests/image

sbom: $(DEV)/installed
	@$(DOCKER) save --output regard.tar $(IMAGE)
	@SYFT_CHECK_FOR_APP_UPDATE=false $(DEV)/bin/syft scan --quiet docker-archive:regard.tar \
	  --source-name $(IMAGE) --output cyclonedx-json=regard.cdx.json
	@rm regard.tar

clean:
	rm -rf $(SERVE) $(DEV) bench/.peers build dist *.egg-info regard.tar regard.cdx.json
	rm -rf .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(SERVE)/installed: EXTRAS := cpu
$(DEV)/installed: EXTRAS := cpu,train,dev
%/installed: pyproject.toml constraints.txt
	@echo "Installing into $* ..."
	@$(PYTHON) -m venv $*
	@$*/bin/pip install -q -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@
