# make demo   set-up and the main job, from a bare clone (core install, no torch)
# make test   set-up and every test
PYTHON ?= python3
VENV   ?= .venv
# On Linux the registry's default torch build carries CUDA; name another build here if you want it.
TORCH  ?= torch==2.13.0
PIP     = $(VENV)/bin/python -m pip --disable-pip-version-check
RUN     = $(VENV)/bin/bonescan

.PHONY: demo test install check format bench clean

demo: $(VENV)/core.stamp
	$(RUN) simulate demo/cohort --patients 1 --seed 7
	$(RUN) read demo/cohort/dicom --out demo/reading

test: $(VENV)/dev.stamp
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --numprocesses auto --dist loadfile

install: $(VENV)/dev.stamp

check: $(VENV)/dev.stamp
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

format: $(VENV)/dev.stamp
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

bench: $(VENV)/dev.stamp
	$(VENV)/bin/python benchmarks/help.py
	$(VENV)/bin/python benchmarks/study.py
	$(VENV)/bin/python benchmarks/engine.py

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "bonescan needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/core.stamp: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet -e .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet "$(TORCH)"
	$(PIP) install --quiet -e ".[dev]"
	@touch $@ $(VENV)/core.stamp

clean:
	rm -rf demo $(VENV)
