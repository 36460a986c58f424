# Needs make and Python >= 3.11 with its venv module; everything else goes into .venv.

PYTHON ?= python3
# auto: gpu where nvidia-smi finds one, else cpu.
ENGINE ?= auto
# Asked for the CPU build of torch only, and only where pip's own configuration does not find it.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := .venv/bin
INSTALLED := .venv/installed-$(ENGINE)

.DEFAULT_GOAL := help
.PHONY: help demo test test-matrix lint bench bench-flagship mutation clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 18
	@echo 'Variables: PYTHON=$(PYTHON) ENGINE=$(ENGINE) (auto, cpu or gpu) TORCH_INDEX=$(TORCH_INDEX)'

# The model comes from the package index, never from a model hub. One thread: with more, the CPU
# engine stalls erratically.
demo test test-matrix bench bench-flagship: export HF_HUB_OFFLINE := 1
demo test test-matrix bench bench-flagship: export TRANSFORMERS_OFFLINE := 1
demo test test-matrix bench bench-flagship: export VLLM_NO_USAGE_STATS := 1
demo test test-matrix bench bench-flagship mutation: export OMP_NUM_THREADS := 1

demo: $(INSTALLED) ## compare schedulers, without a model and on a small real one
	@$(BIN)/amin demo

test: $(INSTALLED) ## run the tests
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/unit tests/dry
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/live

test-matrix: $(INSTALLED) ## run the contract tests on each version of vLLM (VERSIONS='0.24.0 0.33.0')
	@$(BIN)/python scripts/test_matrix.py $(VERSIONS)

bench: $(INSTALLED) ## run the benchmarks
	$(BIN)/python -m benchmarks

bench-flagship: $(INSTALLED) ## compare the policy of expected volumes with vLLM's schedulers
	@$(BIN)/python -m benchmarks flagship $(ARGS)

mutation: $(INSTALLED) ## break the code on purpose: do the tests notice? (ARGS='--sample 20')
	@$(BIN)/pip install -qq --editable '.[mutation]'
	$(BIN)/python scripts/mutation.py $(ARGS)

lint: $(INSTALLED) ## check style, types and import rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean: ## remove .venv, build outputs and caches (not ~/.cache)
	rm -rf .venv .matrix build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -rf .hypothesis .benchmarks .coverage htmlcov *.egg-info src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml scripts/install_engine.sh
	@PYTHON='$(PYTHON)' ENGINE='$(ENGINE)' TORCH_INDEX='$(TORCH_INDEX)' bash scripts/install_engine.sh
	@touch $@
