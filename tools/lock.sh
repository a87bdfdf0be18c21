#!/bin/sh
# Writes requirements.lock: exact versions of everything that any extra needs, and of the build backend.
set -eu
python=${1:-python3.11}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset PIP_CONSTRAINT
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --editable '.[train,grasp,scale,study,postgres,dev]' 'hatchling>=1.26'
{
    echo "# Exact versions for Python 3.11, all extras; written by 'make lock', used as pip's constraints."
    # Local version tags (torch's +cpu) name a build, not a version: any build of that version will do.
    "$folder/venv/bin/python" -m pip freeze --exclude-editable | sed -E 's/ @ .*\/[^/]*-([0-9][^-]*)-.*$/==\1/; s/\+[a-z0-9.]+$//'
} >requirements.lock
