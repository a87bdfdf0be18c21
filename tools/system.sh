#!/bin/sh
# Installs the system packages that a target needs, where it may; elsewhere it says what to install.
# Usage: tools/system.sh venv|test
set -u

may_install() {
    command -v apt-get >/dev/null 2>&1 && { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# need WHAT REQUIRED PACKAGE...: WHAT is missing; install the packages or explain.
need() {
    what=$1; required=$2; shift 2
    if may_install; then
        echo "installing $* ($what)"
        if { as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"; } \
            >/tmp/empaw-apt.log 2>&1; then
            return 0
        fi
        echo "apt-get could not install them; its output is in /tmp/empaw-apt.log" >&2
    fi
    echo "missing: $what. Install it with:  sudo apt-get install $*" >&2
    [ "$required" = optional ] || exit 1
}

case "${1:-}" in
venv)
    python=${2:-python3.11}
    if [ "$python" = python3.11 ]; then
        command -v "$python" >/dev/null 2>&1 || need "Python 3.11" required python3.11 python3.11-venv
    fi
    # A pyenv shim is there for every version it ever had, and tells a page where this one is not.
    "$python" -c '' >/dev/null 2>&1 || {
        echo "there is no Python that runs as $python; run:  make PYTHON=python3.11 ..., or give the path of another" >&2
        exit 1
    }
    "$python" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 11))' || {
        echo "$python is $("$python" --version 2>&1); PyBullet has wheels for Python 3.10 and 3.11 only." >&2
        echo "Install one of them and run:  make PYTHON=python3.11 ..." >&2
        exit 1
    }
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        need "venv for $python" required "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    ;;
test)
    command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
        command -v google-chrome >/dev/null 2>&1 || need "Chromium, for the tests of the page" optional chromium
    for library in libusb-1.0.so.0 libgomp.so.1 libEGL.so.1 libGL.so.1 libX11.so.6; do
        ldconfig -p 2>/dev/null | grep -qF "$library" && continue
        need "$library, for Open3D" optional libusb-1.0-0 libgomp1 libegl1 libgl1 libx11-6
        break
    done
    command -v Xvfb >/dev/null 2>&1 || need "Xvfb, for the test of --window" optional xvfb
    command -v pg_virtualenv >/dev/null 2>&1 && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 ||
        need "PostgreSQL, for the tests of a study's storage" optional postgresql postgresql-common
    ;;
*)
    echo "usage: tools/system.sh venv [PYTHON] | test" >&2
    exit 2
    ;;
esac
