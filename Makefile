# Muster. `make demo` shows it, `make test` proves it, `make check` keeps it in shape, `make bench` measures it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: install demo test test-cluster check format bench bench-cluster protos lock clean

install: $(STAMP)

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit("Muster needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@echo "making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: install
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python examples/demo.py

test: install
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -n 3 tests

# Wants one to three real clusters: KUBECONFIG (files, colon between them) and MUSTER_TEST_IMAGE; see tests/cluster.
test-cluster: install
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -n 4 --dist loadfile -rs -m cluster tests/cluster
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m pytest -rs -m cluster tests/cluster/test_lost_node.py

check: install
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python protos/generate.py --check
	@$(BIN)/python -m control_plane.adapters.sqlite.generate --check

format: install
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

bench: install
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m tests.bench

# Wants a real Kubernetes: KUBECONFIG and MUSTER_TEST_IMAGE; see tests/bench/cluster.
bench-cluster: install
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m tests.bench.cluster

protos: install
	@$(BIN)/python protos/generate.py

# Renew the lock with the newest releases that pyproject.toml admits (needs `uv`).
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --upgrade --no-emit-index-url --no-header --extra dev --quiet pyproject.toml -o requirements.lock
	grep -oE '^[A-Za-z0-9._-]+==[^ ;]+' requirements.lock > .constraints && uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra kubernetes --quiet --constraint .constraints pyproject.toml -o deploy/image/requirements.lock; rm -f .constraints

clean:
	rm -rf $(VENV) .muster .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
