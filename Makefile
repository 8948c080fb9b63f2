PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

# What the tests drive, as program:package. Debian keeps some of them where only root looks.
PROGRAMS := nginx:nginx-light curl:curl chromium:chromium ab:apache2-utils wrk:wrk gunicorn:gunicorn haproxy:haproxy
# Most tests wait for something. A file's tests stay together: they share what they have started.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadfile
export PATH := $(PATH):/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help demo test test-pythons check wheel test-compiled coverage bench stress soak faults fuzz simulate conformance reference docs image image-test clean

help:  ## list the targets
	@awk -F ':.*## +' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed  ## run the proxy in front of a demo service
	$(BIN)/onehop demo $(ARGS)

test: $(VENV)/.installed-test  ## run all tests; ARGS="-k pool" runs some
	@.ci/install-programs $(PROGRAMS)
	$(BIN)/pytest $(PARALLEL) $(ARGS)

test-pythons: $(VENV)/.installed-test  ## run the suite on every Python that the project claims
	$(BIN)/python .ci/test-pythons $(ARGS)

wheel: $(VENV)/.installed-test  ## build wheels with compiled modules, for every Python found; needs a C compiler
	$(BIN)/python .ci/build-wheels $(ARGS)

test-compiled: $(VENV)/.installed-test  ## run a part of the suite over compiled modules; ARGS as pytest's
	$(BIN)/python .ci/test-compiled $(ARGS)

check: $(VENV)/.installed-test  ## lint, format, types, direction of imports, length of files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest --quiet tests/unit/test_layout.py

coverage: $(VENV)/.installed-test  ## run all tests and report branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

bench: $(VENV)/.installed-peers  ## the same load over onehop and its peers
	@$(BIN)/python .ci/test-compiled --build || echo "nothing is compiled: its column is left out"
	$(BIN)/python -m benchmarks.load $(ARGS)

stress: $(VENV)/.installed-peers  ## break onehop, nginx and HAProxy in the same ways
	$(BIN)/python -m benchmarks.stress $(ARGS)

soak: $(VENV)/.installed-test  ## half an hour of mixed traffic and trouble: does anything grow? ARGS="--minutes 5" is less
	$(BIN)/python -m benchmarks.soak $(ARGS)

faults: $(VENV)/.installed-peers  ## one of three origins fails behind onehop and its peers
	$(BIN)/python -m benchmarks.faults $(ARGS)

fuzz: $(VENV)/.installed-test  ## feed the readers hostile bytes
	$(BIN)/python -m tests.fuzz $(ARGS)

simulate: $(VENV)/.installed-test  ## the real worker on a simulated network, a seed a world; ARGS="--seed N" replays one
	$(BIN)/python -m tests.simulation $(ARGS)

conformance: $(VENV)/.installed-peers  ## raw bytes over onehop and its peers: who keeps the RFCs
	$(BIN)/python -m tests.conformance $(ARGS)

reference: $(VENV)/.installed  ## write config/onehop.toml, config/schema.json and the tables in docs/ anew
	$(BIN)/onehop check --schema > config/schema.json
	$(BIN)/onehop check --reference > config/onehop.toml
	$(BIN)/python -m docs.reference

docs: $(VENV)/.installed-docs  ## build the documentation as a site in build/docs
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(BIN)/mkdocs build --quiet

image:  ## build the container image with docker, podman or buildah
	deploy/build-image.sh $(ARGS)

image-test:  ## prove the container image; needs root and Debian, no engine
	deploy/prove-image.sh

clean:  ## remove what make has made
	rm -rf $(VENV) .cache .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find proxy tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Order-only: bin/python is a link to an old file, and would never count as newer than anything.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-peers: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,peers]'
	@touch $(VENV)/.installed $(VENV)/.installed-test $@

$(VENV)/.installed-docs: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $(VENV)/.installed $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "onehop needs Python 3.11 or later, and '$(PYTHON)' is not: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "'$(PYTHON)' has no venv module: apt-get install python3-venv, or its like" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
