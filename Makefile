# Commands of the project. `make install`, `make test` and `make demo` need nothing installed by hand.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
WORKERS ?= 2
VENV ?= .venv
BIN := $(VENV)/bin
DEBIAN := dicom3tools dcmtk libgomp1 python3-venv
TASK ?= liver_ct

.PHONY: install test lint format demo demo-models bench stage wheels container container-torch sbom clean debian

install: $(VENV)/.installed build/nnunet-1.7.1/.installed build/totalsegmentator-2.18.0/.installed

$(VENV)/.installed: requirements.lock pyproject.toml tools/install_debian.sh
	sh tools/install_debian.sh $(DEBIAN)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	$(BIN)/python tools/place_libcudart.py
	touch $@

# The originals of the published weights, apart from the environment: tests compare with them.
build/nnunet-1.7.1/.installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target build/nnunet-1.7.1 nnunet==1.7.1 medpy==0.5.2
	touch $@

build/totalsegmentator-2.18.0/.installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target build/totalsegmentator-2.18.0 TotalSegmentator==2.18.0 dicom2nifti==2.6.2
	touch $@

test: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

demo: install
	$(BIN)/python -m tools.demo $(TASK)

demo-models: install
	$(BIN)/python -m demo_models.train $(TASK)

bench: install build/monai/.installed
	$(BIN)/python -m benchmarks.reading
	PYTHONPATH=build/monai $(BIN)/python -m benchmarks.engine

# A peer that only the benchmark runs; what it needs besides, torch and numpy, is there.
build/monai/.installed: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target build/monai monai==1.6.1
	touch $@

# What `monai-deploy package ... --add build/lib` puts into an image.
stage: install
	$(BIN)/python -m aimi.map_package.staging build/lib

# What `aimi package TASK ... --offline build/wheels` installs.
wheels: install
	$(BIN)/python -m pip download -qq --disable-pip-version-check --no-deps --only-binary :all: --dest build/wheels -r apps/$(TASK)/requirements.txt pip

container: install
	tools/ci_container.sh

container-torch: install
	AIMI_CONTAINER_FLAVOUR=torch tools/ci_container.sh

# pip-audit lives in an environment of its own: it needs other versions than the lock.
sbom: install
	test -x build/audit/bin/pip-audit || $(PYTHON) -m venv build/audit
	build/audit/bin/python -m pip install -qq --disable-pip-version-check pip-audit==2.9.0
	PATH="$$PWD/build/audit/bin:$$PATH" $(BIN)/aimi sbom -o build/sbom.cdx.json --audit

clean:
	rm -rf build $(VENV) .mypy_cache .pytest_cache .ruff_cache
