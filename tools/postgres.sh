#!/bin/sh
# Runs a command beside a PostgreSQL server of its own, which is thrown away afterwards; says so where there is none.
# Usage: tools/postgres.sh COMMAND...
set -u
if command -v pg_virtualenv >/dev/null 2>&1 && ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    exec pg_virtualenv -o fsync=off "$@" # nothing of it is kept
fi
echo "skipped the tests with PostgreSQL: pg_virtualenv is missing (sudo apt-get install postgresql postgresql-common)"
