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

demo: install  ## without a browser: a voice and a face go in, a video comes out
	@$(BIN)/python sim_gui.py run --video assets/samples/sad_then_happy.mp4 --seconds 15 --record runs/demo.mp4

install: $(VENV)/.installed  ## set up .venv

$(VENV)/.installed: pyproject.toml requirements.lock
	@sh tools/system.sh venv $(PYTHON)
	@test -x $(BIN)/python || { echo "making the environment $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing what Empaw needs into $(VENV) (a few minutes the first time)"
	@sh tools/install.sh $(VENV) .
	@touch $@

$(VENV)/.developing: $(VENV)/.installed
	@echo "installing what its tests need"
	@sh tools/install.sh $(VENV) '.[dev]'
	@touch $@

# Files come in their order: by number of tests, as xdist would have it, those with few and long ones come last of all.
test: $(VENV)/.developing  ## everything that must hold: style, types, imports, tests
	@sh tools/system.sh test
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)
	@sh tools/postgres.sh $(BIN)/python -m pytest -m postgres tests/apps/study

check: $(VENV)/.developing
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@sh tools/page.sh

results: $(VENV)/.developing  ## make the README's tables again (seven hours; needs DATA)
	$(BIN)/empaw evaluate gait --suite all --policy none default assets/weights/gait/seed_1 \
		assets/weights/gait/seed_2 --out runs/results/gait --json $(RESULTS)/gait.json
	rm -rf runs/results/quick
	$(BIN)/empaw train gait --recipe quick --out runs/results/quick
	$(BIN)/empaw train gait-calibration runs/results/quick/policy
	$(BIN)/empaw evaluate gait --suite tracking kicks --policy none runs/results/quick/policy \
		--json $(RESULTS)/quick.json
	$(BIN)/empaw bench locomotion --json $(RESULTS)/locomotion.json
	$(BIN)/empaw evaluate speech --data $(DATA)/speech/ravdess_16k \
		--folds $(DATA)/speech/ravdess_folds.json --json $(RESULTS)/speech.json
	$(BIN)/empaw evaluate speech-transfer --corpus nemo --data $(DATA)/speech/nemo_6 --json $(RESULTS)/transfer.json
	$(BIN)/empaw evaluate speech-joint --ravdess $(DATA)/speech/ravdess_16k \
		--folds $(DATA)/speech/ravdess_folds.json --data $(DATA)/speech/nemo_6 --json $(RESULTS)/joint.json
	$(BIN)/empaw evaluate face --data $(DATA)/faces/fer2013.tar.gz --protocol private \
		--json $(RESULTS)/face.json
	$(BIN)/empaw bench mixers --data $(DATA)/faces/fer2013.tar.gz --json $(RESULTS)/mixers.json
	$(BIN)/empaw evaluate fusion --voices $(DATA)/speech/ravdess_16k \
		--faces $(DATA)/faces/fer2013.tar.gz --json $(RESULTS)/fusion.json
	$(BIN)/empaw bench senses --voices $(DATA)/speech/ravdess_16k \
		--faces $(DATA)/faces/fer2013.tar.gz --json $(RESULTS)/senses.json
	$(BIN)/empaw evaluate sound --data $(DATA)/speech/ravdess_16k --json $(RESULTS)/sound.json
	$(BIN)/empaw evaluate companion --out runs/results/companion --json $(RESULTS)/room.json
	$(BIN)/empaw bench companion --data $(DATA)/speech/ravdess_16k \
		--folds $(DATA)/speech/ravdess_folds.json --json $(RESULTS)/companion.json
	$(BIN)/empaw bench live --json $(RESULTS)/live.json
	$(BIN)/empaw bench fuzz --out runs/results/fuzz --json $(RESULTS)/fuzz.json
	$(BIN)/empaw bench kills --kills 250 --out runs/results/kills --json $(RESULTS)/kills.json
	$(BIN)/empaw bench hostile --json $(RESULTS)/hostile.json
	$(BIN)/empaw bench hostile --minutes 60 --json $(RESULTS)/soak.json
	$(BIN)/empaw bench costs --faces $(DATA)/faces/fer2013.tar.gz --json $(RESULTS)/costs.json
	$(BIN)/empaw evaluate grasp completion --objects packed/test+pile/test household/test ycb_dev --data $(DATA)/objects \
		--out runs/results/completion --json $(RESULTS)/completion.json
	$(BIN)/empaw evaluate grasp single --objects household/test+pile/test --data $(DATA)/objects --views 16 \
		--out runs/results/single --json $(RESULTS)/single.json
	$(BIN)/empaw bench clutter --data $(DATA)/objects --json $(RESULTS)/clutter.json
	$(BIN)/empaw bench grasping --json $(RESULTS)/grasping.json
	$(BIN)/empaw bench similarity --out runs/results/similarity --json $(RESULTS)/similarity.json
	$(BIN)/empaw bench study-server --json $(RESULTS)/study_server.json
	$(BIN)/empaw bench study-power --json $(RESULTS)/study_power.json
	$(BIN)/empaw bench allocation --json $(RESULTS)/allocation.json
	$(BIN)/empaw bench readme

lock:  ## write requirements.lock anew, from what pyproject.toml allows
	@sh tools/lock.sh $(PYTHON)

clean:  ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
