# Each target sets up what it needs; a second call is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test lint bench docs licences audit fuzz attacks kills compatibility chromium clean

demo: $(STAMP)
	$(BIN)/taglens demo --out runs/demo --force

test: lint chromium
	$(BIN)/pytest

lint: $(STAMP)
	$(BIN)/ruff check src tests benchmarks scripts recipes
	$(BIN)/ruff format --check src tests benchmarks scripts recipes
	$(BIN)/mypy
	$(BIN)/lint-imports

# The review page is tested in a real browser; where none can be had, those tests are skipped and say so.
chromium:
	@command -v chromium google-chrome >/dev/null || (apt-get update -qq && apt-get install -qq --no-install-recommends chromium) >/dev/null 2>&1 || echo 'no Chromium: the tests in a browser will be skipped'

bench: $(STAMP)
	$(BIN)/python -m benchmarks --out runs/benchmarks

# --strict: a broken link or a reference to nothing fails.
docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --site-dir site
	@echo 'open site/index.html'

licences: $(STAMP)
	$(BIN)/python scripts/list_licences.py

# Needs a network: asks the package index for known vulnerabilities of everything installed; fails where the index cannot tell.
# There is no offline form: pip-audit takes its list from a service only.
audit: $(STAMP)
	$(BIN)/pip freeze --exclude-editable > $(VENV)/installed.txt
	$(BIN)/pip-audit --strict --disable-pip --no-deps --progress-spinner off --requirement $(VENV)/installed.txt

# What docs/trust.md reports; the night is long enough for them.
fuzz: $(STAMP)
	TAGLENS_FUZZ=100000 $(BIN)/pytest --timeout 0 tests/properties/test_fuzz.py

attacks: $(STAMP)
	TAGLENS_ATTACKS=10000 $(BIN)/pytest --timeout 0 -s tests/attacks/test_hostile_load.py

kills: $(STAMP)
	$(BIN)/python -m scripts.kill_test --kills 100

# Needs a network: Python 3.11 to 3.13 with the newest versions, and the lowest that are allowed.
compatibility: $(STAMP)
	$(BIN)/python scripts/compatibility.py

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "TagLens needs Python 3.11 or newer"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info
