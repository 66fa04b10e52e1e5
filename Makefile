# make serve: the embedded model on 127.0.0.1:8000. make test: everything. Both make their own environment.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TORCH := torch==2.13.0
# PyTorch's own index of CPU wheels, asked for this one package only, and only where the default has none.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# What the environment is made of; docker/Dockerfile.cpu takes the server alone.
EDITABLE ?= -e
PACKAGE ?= .[cpu,curation,evals,train,dev]

.PHONY: serve env test check quick unit slow nano scorer methods bench bench-http bench-train soak clean

env: $(READY)

serve: $(READY)
	$(BIN)/s1-serve $(ARGS)

test: $(READY)
	$(BIN)/pytest -m "not slow and not gpu" $(ARGS)

# Everything that starts no engine, in minutes, on all cores; mypy runs beside the tests. Of random examples a third.
quick: $(READY)
	$(MAKE) -j2 check unit

unit: $(READY)
	TESTS_EXAMPLES=0.33 $(BIN)/pytest -m "not engine and not slow and not gpu" -n auto --dist loadfile $(ARGS)

slow: $(READY)
	$(BIN)/pytest -m slow $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy server curation training evals tests
	$(BIN)/lint-imports

nano: $(READY)
	$(BIN)/s1-train nano --out $(or $(OUT),build/nano)

scorer: $(READY)
	$(BIN)/s1-train scorer --out $(or $(OUT),build/scorer) $(ARGS)

methods: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" evals/run_all_methods.sh $(or $(OUT),build/methods) $(ARGS)

bench: $(READY)
	$(BIN)/python -m server.engine.bench.throughput $(ARGS)

bench-http: $(READY)
	$(BIN)/python -m evals.bench.against_stock $(ARGS)

soak: $(READY)
	$(BIN)/python -m evals.bench.soak $(ARGS)

bench-train: $(READY)
	$(BIN)/python -m training.bench.against_trl $(ARGS)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "s1-server needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q "$(TORCH)+cpu" || $(BIN)/pip install -q --extra-index-url $(TORCH_INDEX) "$(TORCH)+cpu"
	$(BIN)/pip install -q -c constraints.txt $(EDITABLE) "$(PACKAGE)"
	# Pulled in by the engine, built for CUDA, and of no use to a text server: they break transformers' imports.
	$(BIN)/pip uninstall -q -y torchvision torchaudio torchcodec
	touch $@

clean:
	rm -rf $(VENV) build
