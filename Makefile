# Two commands do everything on a fresh machine: `make app` and `make test`.
PYTHON ?= python3
PORT ?= 8501
HEADLESS ?=
PYTEST_ARGS ?=
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: app test soak lint audit fuzz bench bench-app bench-pairs bench-adaptation clean
.DEFAULT_GOAL := app

app: $(VENV)/.runtime                ## open the app on the built-in pair (PORT=8501, HEADLESS=1 for no browser window)
	$(BIN)/cyclelens app --port $(PORT) $(if $(filter-out 0 false,$(HEADLESS)),--headless)

test: $(VENV)/.dev                   ## run every test, two files at a time (PYTEST_ARGS="-k name", "-n 0" for one at a time)
	@sh scripts/ensure_chromium.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

soak: $(VENV)/.dev                   ## the long forms of the promises in docs/reliability.md, with their figures (about half an hour)
	$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

lint: $(VENV)/.dev                   ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

audit: $(VENV)/audit/.installed      ## look every pinned release up in a vulnerability service
	$(VENV)/audit/bin/python -m scripts.audit
SECONDS ?= 60
fuzz: $(VENV)/.dev                   ## fuzz the decoder, guided by coverage (SECONDS=600); what it learns stays in fuzz-corpus/
	$(BIN)/python -m tests.fuzz.decode -max_total_time=$(SECONDS) -artifact_prefix=fuzz-corpus/ fuzz-corpus/files

bench: $(VENV)/.dev                  ## print speed and memory beside what one would otherwise run
	$(BIN)/pip install -q -r requirements-bench.txt || echo "pykeops cannot be installed here: its row is left out"
	$(BIN)/python benchmarks/association.py
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/step.py --precision bfloat16
	$(BIN)/python benchmarks/step.py --architecture smp:deeplabv3plus/resnet50 --rounds 3
	$(BIN)/python benchmarks/one_click.py
	$(BIN)/python benchmarks/gpu.py
	@$(MAKE) --no-print-directory bench-app

bench-app: $(VENV)/.dev              ## print how the app feels: hover, click, page switch, first picture, pan
	@sh scripts/ensure_chromium.sh
	$(BIN)/python benchmarks/app.py

bench-pairs: $(VENV)/.dev            ## print cost and memory of many pairs, and what all of GTAV × Cityscapes would take
	$(BIN)/python benchmarks/pairs.py --side 64 128 256 --processes 1 2
	$(BIN)/python benchmarks/projection.py

bench-adaptation: $(VENV)/.dev        ## print what adaptation gains beside its controls (half an hour on two cores)
	$(BIN)/python benchmarks/adaptation.py --ablation

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis fuzz-corpus

$(VENV)/.runtime: requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/pip install -q --index-url $(TORCH_INDEX) "$(shell grep '^torch==' requirements.txt)")
	$(BIN)/pip install -q -r requirements.txt
	$(BIN)/pip install -q --no-deps -e .
	$(BIN)/python -c "from pca_core.association import warm_up; warm_up()"  # compiles the fused pass once
	touch $@

$(VENV)/.dev: requirements-dev.txt requirements-models.txt $(VENV)/.runtime
	$(BIN)/pip install -q -r requirements-dev.txt
	touch $@

$(VENV)/audit/.installed: requirements-audit.txt
	test -x $(VENV)/audit/bin/python || $(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/pip install -q -r requirements-audit.txt
	touch $@
