.PHONY: help setup demo test lint audit format bench lock
PORT ?= 8000
CHECK ?=
ARGS ?=
BIN := .venv/bin

help:
	@echo "make demo    Parley with a simulated chat cloud: PORT=8000; CHECK=1 asks the robots and ends"
	@echo "make test    the whole test suite: ARGS=tests/config picks some"
	@echo "make setup   .venv with all that Parley runs on"
	@echo "make lint    format, rules, types, migrations, translations, the vendors' table, secrets"
	@echo "make audit   known weaknesses of what is installed; asks the network, so it is no part of lint"
	@echo "make format  puts the code in form"
	@echo "make bench   the benchmark table"
	@echo "make lock    requirements*.txt anew from requirements*.in"

setup:
	@bin/setup

# Each of its processes would compile the product anew.
demo:
	@bin/setup model
	@unset PYTHONDONTWRITEBYTECODE; PORT="$(PORT)" CHECK="$(CHECK)" exec $(BIN)/python -m sandbox.demo

test:
	@bin/setup dev
	@bin/get-chromium
	@bin/run-tests $(BIN)/python $(ARGS)

lint:
	@bin/setup dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy .
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python bin/check_translations.py
	$(BIN)/python bin/check_vendors.py
	$(BIN)/python bin/check_migrations.py
	$(BIN)/python bin/check_secrets.py

audit:
	@bin/setup
	bin/audit $(BIN)/python

format:
	@bin/setup dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench:
	@bin/setup dev
	@$(BIN)/python -m bench $(ARGS)

lock:
	@bin/setup
	bin/lock $(BIN)/python
