#!/bin/sh
# Checks the pages' code (tsc, eslint) where node is there and npm can install; elsewhere it says why not.
skip() {
    echo "the pages' code is not checked: $1"
    exit 0
}

command -v npm >/dev/null 2>&1 || skip "npm is not installed"
node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' \
    || skip "node $(node --version) is older than 20.19"
if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --ignore-scripts --silent && cp package-lock.json node_modules/.installed || skip "npm cannot install what package-lock.json names"
fi
npm run --silent check
