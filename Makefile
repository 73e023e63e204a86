UV_COMPILE = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header

.PHONY: check test lock

check:  ## ruff, djLint, mypy, import-linter
	./test --check

test:  ## everything
	./test

lock:  ## pin and hash what requirements/*.in ask for
	$(UV_COMPILE) requirements/bootstrap.in -o requirements/bootstrap.txt
	$(UV_COMPILE) requirements/dev.in -o requirements/dev.txt
	$(UV_COMPILE) requirements/hub.in -c requirements/dev.txt -o requirements/hub.txt
	$(UV_COMPILE) requirements/agent.in -c requirements/dev.txt -o requirements/agent.txt
