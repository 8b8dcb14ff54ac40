# A fresh machine needs Python 3.11 or newer, make and a package index. Not root; nothing beside .venv is written.
# ARGS are passed on: make demo ARGS="--orders 200 --exit", make test ARGS="tests/simulation -k outage".

# Makes .venv; to change it, make clean first.
PYTHON ?= python3
# One more than the two cores: a third of the time a test waits for a process or a clock.
WORKERS ?= 3
# kill -9, so often; make test has twenty of them.
KILLS ?= 100
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
MAKEFLAGS += --no-print-directory

# Where `make install` puts what. DESTDIR stages it elsewhere, as packagers do.
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR ?=
# Where `make deb` puts the package.
PACKAGES ?= dist
# EXTRA=sftp installs what the extra of that name needs as well.
EXTRA ?=

.PHONY: help demo test test-long test-kill test-shop test-systemd test-storm bench lint format lock clean install uninstall deb
.PHONY: lint-format lint-ruff lint-async lint-mypy lint-pyright lint-imports

help:
	@echo 'make demo       a whole merchant on this machine: shop, ERP, carriers, two warehouses, and the daemon'
	@echo 'make test       the tests'
	@echo 'make test-long  more walks and bad days by seed than make test plays'
	@echo 'make test-kill  the long run of kill -9 under load'
	@echo 'make test-shop  what holds in front of any shop, in a real PrestaShop that may be worked in'
	@echo 'make test-systemd  the units on a real systemd (as root, with systemd-container)'
	@echo 'make install    install below PREFIX ($(PREFIX)), with the units; it starts nothing and overwrites no settings; EXTRA=sftp'
	@echo 'make deb        a Debian package of what make install puts there (PYTHON=/usr/bin/python3), in $(PACKAGES); EXTRA=sftp'
	@echo 'make uninstall  remove what make install put there; settings and data stay'
	@echo 'make test-storm thousands of documents to an ERP that loses its answers'
	@echo 'make bench      the benchmarks, beside what they are compared with'
	@echo 'make lint       format, lint, types and import contracts'
	@echo 'make format     set the format, and mend what can be mended by itself'
	@echo 'make lock       choose the newest versions, and lock them with hashes (needs uv)'
	@echo 'make clean      remove what was made here'

demo: $(VENV)/runtime.stamp
	@$(BIN)/wharfinger demo $(ARGS)

# The tests start the daemon a hundred times. Where PYTHONDONTWRITEBYTECODE is set, each would compile all of it anew.
test: $(VENV)/dev.stamp
	@$(BIN)/python -m compileall -q daemon actors adapters migrations
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m 'not long and not storm and not bench and not systemd' $(ARGS)

test-long: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m long $(ARGS)

test-kill: $(VENV)/dev.stamp
	@WHARFINGER_KILLS=$(KILLS) $(BIN)/python -m pytest tests/simulation/test_kill_nine.py $(ARGS)

# The shop keeps the orders that this places.
test-shop: $(VENV)/dev.stamp
	@test -n "$$WHARFINGER_PRESTASHOP_URL" && test -n "$$WHARFINGER_PRESTASHOP_KEY" || { \
		echo 'make test-shop works in a real PrestaShop, and none is named. Set' >&2; \
		echo '  WHARFINGER_PRESTASHOP_URL  its address, such as http://shop.example' >&2; \
		echo '  WHARFINGER_PRESTASHOP_KEY  a key of its webservice with all rights, 32 characters' >&2; \
		echo 'make test runs the same tests in front of the simulator.' >&2; exit 2; }
	@$(BIN)/python -m pytest tests/adapters/channels/prestashop/test_any_shop.py --real-shop $(ARGS)

test-systemd: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -m systemd $(ARGS)

test-storm: $(VENV)/dev.stamp
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m storm $(ARGS)

bench: $(VENV)/dev.stamp
	@$(BIN)/python tests/benchmarks/run.py $(ARGS)

lint: lint-format lint-ruff lint-async lint-mypy lint-pyright lint-imports

lint-format: $(VENV)/dev.stamp
	@$(BIN)/ruff format --check $(ARGS)

lint-ruff: $(VENV)/dev.stamp
	@$(BIN)/ruff check $(ARGS)

# Run by itself it enables all it has. Not asked for: ASYNC127 wants httpx2 for httpx, which one module of ours imports and will
# swap when the time has come; ASYNC114 wants a list of all that nursery.start is given; ASYNC910 to ASYNC913, off in its plugin too,
# want a checkpoint on every way out of every async function, a simulator's early answer included.
# ASYNC124 wants what a protocol makes async to be sync, ASYNC128 does not see a task_status that is handed on. ASYNC110 stands in ruff, with its exceptions.
NOT_ASYNC := ASYNC110,ASYNC114,ASYNC124,ASYNC127,ASYNC128,ASYNC910,ASYNC911,ASYNC912,ASYNC913
# Slow: a minute or two for all of it. .ci/run asks for what runs at a merchant's; ruff's ASYNC rules see to the tests there.
ASYNC_IN ?= actors/ adapters/ daemon/ migrations/ tests/
lint-async: $(VENV)/dev.stamp
	@printf '%s\n' $(or $(ARGS),$(shell git grep --untracked -lwE 'async|await|trio' -- $(ASYNC_IN:%='%*.py'))) | \
		xargs -n 25 -P $(WORKERS) $(BIN)/flake8-async --disable $(NOT_ASYNC)

lint-mypy: $(VENV)/dev.stamp
	@$(BIN)/mypy $(ARGS)

lint-pyright: $(VENV)/dev.stamp
	@$(BIN)/basedpyright $(ARGS)

lint-imports: $(VENV)/dev.stamp
	@$(BIN)/lint-imports

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix $(ARGS)
	$(BIN)/ruff format $(ARGS)

install: $(VENV)/runtime.stamp
	@systemd/install.sh '$(BIN)/python' '$(PYTHON)' '$(PREFIX)' '$(SYSCONFDIR)' '$(DESTDIR)' '$(EXTRA)'

deb: $(VENV)/runtime.stamp
	@systemd/deb.sh '$(BIN)/python' '$(PYTHON)' '$(PACKAGES)' '$(EXTRA)'

uninstall:
	@systemd/uninstall.sh '$(PREFIX)' '$(SYSCONFDIR)' '$(DESTDIR)'

lock:
	@command -v uv >/dev/null || { echo 'make lock needs uv: pip install uv' >&2; exit 1; }
	uv pip compile $(LOCK) --group build --output-file requirements.txt pyproject.toml
	uv pip compile $(LOCK) --extra sftp --constraint requirements.txt \
		--output-file requirements-sftp.txt pyproject.toml
	uv pip compile $(LOCK) --group build --group dev --constraint requirements.txt --constraint requirements-sftp.txt \
		--output-file requirements-dev.txt pyproject.toml

LOCK := --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock'

clean:
	rm -rf $(VENV) build dist .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find daemon actors adapters migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A virtual environment per machine. Each stamp says which lock has been installed: a changed lock installs anew, and what the
# runtime needs is a part of the other, so either serves the demo.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Wharfinger needs Python 3.11 or newer, and '$(PYTHON)' is none: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Install one (Debian, Ubuntu: apt install python3), or name it: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make a virtual environment: its modules venv and ensurepip are missing." >&2; \
		echo "Install them (Debian, Ubuntu: apt install python3-venv; Fedora: part of python3)." >&2; exit 1; }
	@echo "Making $(VENV) ..."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/runtime.stamp: requirements.txt pyproject.toml | $(BIN)/python
	@{ test $(VENV)/dev.stamp -nt requirements.txt && test $(VENV)/dev.stamp -nt pyproject.toml; } || { \
		echo "Installing what requirements.txt locks ..."; \
		$(PIP) install -qq --require-hashes -r requirements.txt && \
		$(PIP) install -qq --no-deps --no-build-isolation --editable .; }
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what requirements-dev.txt locks ..."
	@$(PIP) install -qq --require-hashes -r requirements-dev.txt
	@$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $@
