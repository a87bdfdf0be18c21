#!/bin/sh
# Installs WHAT (a folder, or one with extras) and all it needs into an environment, with a line for each step; pip's
# own words are kept in VENV/install.log and shown when it fails. Nothing is compiled beforehand: most of it is never
# imported, and all of it would take longer than everything else here.
# Usage: tools/install.sh VENV WHAT
set -u
venv=$1; what=$2; log=$venv/install.log; found=0

{ "$venv/bin/python" -m pip install --progress-bar off --no-compile --editable "$what" 2>&1; echo "status $?"; } | {
    exec 3> "$log"
    while read -r line; do
        case $line in
        "status "*) ;;
        *) printf '%s\n' "$line" >&3 ;; # here, and not by tee, which may be behind when the log is shown
        esac
        case $line in
        "Collecting "*)
            found=$((found + 1))
            [ $((found % 20)) != 0 ] || echo "  $found packages found"
            ;;
        "Downloading "*" ("[0-9][0-9]*" MB)") echo "  downloading ${line#* }" ;;
        "Installing collected packages: "*)
            echo "  unpacking $(echo "${line#*: }" | tr ',' '\n' | wc -l | tr -d ' ') packages (a minute or two)"
            ;;
        "status 0") exit 0 ;;
        "status "*)
            echo "pip could not install it; its last words, of those in $log:" >&2
            tail -n 12 "$log" >&2
            ;;
        esac
    done
    exit 1
}
