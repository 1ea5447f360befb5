# Serin. `make demo` shows the main job, `make test` runs every test, `make check` the fast ones.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
BUILT  := pyproject.toml setup.py $(wildcard csrc/*.c csrc/*.h csrc/*.py csrc/preload/*.c)
BENCHES = $(filter-out bench/plain_proxy.py,$(shell grep -l __main__ bench/*.py))
SOAK_SECONDS ?= 600

# A third of what a start of Serin takes is compiling, which is done once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo run test check lint format golden bench soak kube cluster cluster-down e2e clean
.PHONY: chart nginx image kind kind-down
.DEFAULT_GOAL := demo

setup: $(STAMP)

# Everything is installed into .venv; done again when what is built or needed has changed.
$(STAMP): $(BUILT)
	@sh localkube/prerequisites.sh $(PYTHON)
	@test -x $(BIN)/python || { echo 'setup: making $(VENV)'; $(PYTHON) -m venv $(VENV); }
	@echo 'setup: installing dependencies, building the C routine (half a minute the first time)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]' || { echo 'setup: failed; `make clean` starts anew'; exit 1; }
	@$(BIN)/python -c 'from serin.native.pattern import Pattern; Pattern("a")' || { echo 'setup: patterns need PCRE2: install libpcre2-8-0 (pcre2 elsewhere)'; exit 1; }
	@touch $@

demo: setup
	@$(BIN)/python -m serin.demo examples

run: setup
	@$(BIN)/python -m serin.demo examples --keep

# Much of a test's time is waiting for processes that it started: three at a time keep two cores busy.
SIDE_BY_SIDE := -n 3 --dist loadscope --no-loadscope-reorder

test: lint
	@$(BIN)/python -m localkube prepare || $(BIN)/python -m localkube build >/dev/null || echo 'test: those that need a Kubernetes are skipped'
	@$(BIN)/python -m localnginx >/dev/null || echo 'test: those that need nginx are skipped'
	$(BIN)/python -P tests/harness/second_look.py $(SIDE_BY_SIDE) tests

check: lint
	$(BIN)/pytest $(SIDE_BY_SIDE) -m 'not nginx' tests/unit tests/golden tests/cases tests/test_architecture.py

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Writes the expected texts of tests/golden anew; look at the difference before committing it.
golden: setup
	$(BIN)/pytest tests/golden --update-golden

# What is made from crds/ (the chart's copy, the tables of its page) and from charts/ (the tables of docs/chart.md and docs/rbac.md).
chart: setup
	@mkdir -p charts/serin/crds
	cp crds/*.yaml charts/serin/crds/
	@PYTHONPATH=tests $(BIN)/python -m harness.canaryroute_tables docs/canaryroute.md
	@PYTHONPATH=tests:. $(BIN)/python -m harness.chart_tables

bench: setup
	@for b in $(BENCHES); do echo "== $$b"; $(BIN)/python $$b || exit 1; done

# The programs of a Kubernetes API server: found, or built once from Go modules (docs/local-cluster.md).
kube: setup
	@$(BIN)/python -m localkube build

# nginx with Lua: found, or Debian's packages unpacked below ~/.cache (docs/nginx.md). Prints what SERIN_NGINX is to be.
nginx: setup
	@$(BIN)/python -m localnginx

# A cluster with a node on this machine (root), Serin installed by the chart, the course notes' canary to try.
# make cluster PLANE=nginx NODES=2
PLANE ?= proxy
NODES ?= 1
cluster: setup
	@$(BIN)/python -m localkube cluster-up --plane $(PLANE) --nodes $(NODES)

cluster-down: setup
	@$(BIN)/python -m localkube cluster-down

# The same on kind, on machines with Docker, kind, helm and kubectl. make kind PLANE=nginx
kind: setup
	@$(BIN)/python -m localkube kind-up --plane $(PLANE)

kind-down: setup
	@$(BIN)/python -m localkube kind-down

# Serin's image without Docker (root, Debian), its layers and their sizes, its bill of materials beside it. make image OUT=serin.tar
image: setup
	@$(BIN)/python -m localkube image $(OUT)

# All scenarios on a cluster with two nodes, over both data planes side by side; the report is build/e2e-report.md.
# The programs, which take longest, are begun before there is an environment to run anything in.
e2e:
	@sh localkube/prerequisites.sh $(PYTHON)
	@test -e $(STAMP) || { $(PYTHON) -m localkube.build & }
	@$(MAKE) --no-print-directory setup
	@$(BIN)/python -m localkube prepare
	$(BIN)/pytest tests/e2e --planes=proxy,nginx -n 3 --dist loadscope --no-loadscope-reorder

soak: setup
	SOAK_SECONDS=$(SOAK_SECONDS) $(BIN)/pytest tests/soak tests/kube/test_drill_outages.py \
		tests/drills/test_annotation_fuzz.py tests/drills/test_rollout_calibration.py tests/drills/test_rollout_calibration_latency.py

clean:
	rm -rf $(VENV) build dist operator/*.egg-info operator/serin/native/_ffi.* operator/serin/native/libserin*.so
