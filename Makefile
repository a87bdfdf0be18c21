# Empaw. `make` lists the targets. Everything lives in .venv; nothing is installed outside it but, where they are
# missing and it is allowed, system packages (tools/system.sh says which and why).

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
# One thread per process: two threads on two shared cores made small networks 13 times slower.
export OMP_NUM_THREADS ?= 1
# One lock for all extras and for the build itself.
export PIP_CONSTRAINT := requirements.lock
export PIP_DISABLE_PIP_VERSION_CHECK := 1
DATA ?= ../shared/data
RESULTS := benchmarks/results
JOBS ?= 2

.PHONY: help sim demo install test check results lock clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

sim: install  ## open the simulation in the browser
	@$(BIN)/python sim_gui.py $(ARGS)

demo: install  ## without a browser: a clip goes in, a video comes out
	@$(BIN)/python sim_gui.py run --speech assets/samples/hello.wav --seconds 18 --record runs/demo.mp4

install: $(VENV)/.installed  ## set up .venv

$(VENV)/.installed: pyproject.toml requirements.lock
	@sh tools/system.sh venv $(PYTHON)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing what Empaw needs into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	@echo "installing what its tests need"
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

test: $(VENV)/.developing  ## everything that must hold: style, types, imports, tests
	@sh tools/system.sh test
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)
	@sh tools/postgres.sh $(BIN)/python -m pytest -m postgres tests/apps/study

check: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

results: $(VENV)/.developing  ## make the README's tables again (five hours; needs DATA)
	$(BIN)/python train_gait.py evaluate --suite all --policy none default assets/weights/gait/seed_1 \
		assets/weights/gait/seed_2 --json $(RESULTS)/gait.json
	rm -rf runs/results/quick
	$(BIN)/python train_gait.py train --recipe quick --out runs/results/quick
	$(BIN)/python train_gait.py calibrate runs/results/quick/policy
	$(BIN)/python train_gait.py evaluate --suite tracking kicks --policy none runs/results/quick/policy \
		--json $(RESULTS)/quick.json
	$(BIN)/python benchmarks/locomotion.py --json $(RESULTS)/locomotion.json
	$(BIN)/python -m perception.speech evaluate --data $(DATA)/speech/ravdess_16k \
		--folds $(DATA)/speech/ravdess_folds.json --json $(RESULTS)/speech.json
	$(BIN)/python -m perception.speech transfer --corpus nemo --data $(DATA)/speech/nemo_6 --json $(RESULTS)/transfer.json
	$(BIN)/python -m perception.speech joint --ravdess $(DATA)/speech/ravdess_16k \
		--folds $(DATA)/speech/ravdess_folds.json --data $(DATA)/speech/nemo_6 --json $(RESULTS)/joint.json
	$(BIN)/python -m perception.face evaluate --data $(DATA)/faces/fer2013.tar.gz --protocol private \
		--json $(RESULTS)/face.json
	$(BIN)/python benchmarks/mixers.py --data $(DATA)/faces/fer2013.tar.gz --json $(RESULTS)/mixers.json
	$(BIN)/python -m perception.fusion evaluate --voices $(DATA)/speech/ravdess_16k \
		--faces $(DATA)/faces/fer2013.tar.gz --json $(RESULTS)/fusion.json
	$(BIN)/python benchmarks/senses.py --voices $(DATA)/speech/ravdess_16k \
		--faces $(DATA)/faces/fer2013.tar.gz --json $(RESULTS)/senses.json
	$(BIN)/python -m perception.sound evaluate --data $(DATA)/speech/ravdess_16k --json $(RESULTS)/sound.json
	$(BIN)/python benchmarks/companion.py --data $(DATA)/speech/ravdess_16k \
		--folds $(DATA)/speech/ravdess_folds.json --json $(RESULTS)/companion.json
	$(BIN)/python benchmarks/live.py --json $(RESULTS)/live.json
	$(BIN)/python benchmarks/costs.py --faces $(DATA)/faces/fer2013.tar.gz --json $(RESULTS)/costs.json
	$(BIN)/python grasp_eval.py completion --objects packed/test+pile/test household/test ycb_dev --data $(DATA)/objects \
		--out runs/results/completion --json $(RESULTS)/completion.json
	$(BIN)/python grasp_eval.py single --objects household/test+pile/test --data $(DATA)/objects --views 16 \
		--out runs/results/single --json $(RESULTS)/single.json
	$(BIN)/python benchmarks/clutter.py --data $(DATA)/objects --json $(RESULTS)/clutter.json
	$(BIN)/python benchmarks/grasping.py --json $(RESULTS)/grasping.json
	$(BIN)/python benchmarks/similarity.py --out runs/results/similarity --json $(RESULTS)/similarity.json
	$(BIN)/python benchmarks/study_server.py --json $(RESULTS)/study_server.json
	$(BIN)/python benchmarks/study_power.py --json $(RESULTS)/study_power.json
	$(BIN)/python benchmarks/allocation.py --json $(RESULTS)/allocation.json
	$(BIN)/python benchmarks/readme.py

lock:  ## write requirements.lock anew, from what pyproject.toml allows
	@sh tools/lock.sh $(PYTHON)

clean:  ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
