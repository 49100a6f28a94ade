# Millrace. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
CODE := millrace udfs catalog jobs ml ingest api bench tests
# Processes that run tests side by side; 0 = this one alone.
WORKERS := 2
ALSO = $(if $(ONLY), and ($(ONLY)))

demo: setup ## Set up, start everything with simulated devices, show that it runs
	@.venv/bin/millrace up --fleet
	@.venv/bin/millrace tour

setup: ## Install what is missing: Debian packages, .venv, jars
	@setup/bootstrap.sh

down: ## Stop the demo; its data stays in .millrace
	@.venv/bin/millrace down

check: setup ## Lint, format, types, import direction, architecture tests
	@$(MAKE) --no-print-directory --keep-going --jobs --output-sync=target types imports folders lint

types:
	@.venv/bin/mypy --strict $(CODE)

imports:
	@.venv/bin/lint-imports

folders:
	@$(PY) -m pytest -q tests/architecture

lint:
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --line-length 110 .

test: setup ## Run every test on real services; ONLY=area runs one marker (stream, web, gateway, ...)
	@setup/bootstrap.sh tests
	@$(PY) -m pytest -n $(WORKERS) -m "not live$(ALSO)" $(ARGS); beside=$$?; \
	  $(PY) -m pytest -m "live$(ALSO)" $(ARGS); alone=$$?; \
	  case $$beside,$$alone in 0,0 | 0,5 | 5,0) ;; *) exit 1 ;; esac # 5: nothing of this area

bench: setup ## Measure throughput and latency
	@$(PY) -m bench

lock: setup ## Resolve the pinned, hashed requirements anew
	@.millrace/tools/bin/uv pip compile -q pyproject.toml --group dev --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-annotate --override <(echo 'pyarrow==18.1.0') \
	  --custom-compile-command 'make lock' -o requirements/core.txt

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | \
	  while IFS=$$'\t' read -r target text; do printf '  \033[1mmake %-7s\033[0m %s\n' "$$target" "$$text"; done

.PHONY: demo setup down check types imports folders lint test bench lock help
