#!/usr/bin/env bash
# `test.sh unit`: the Swift tests. `test.sh e2e`: the release program behind nginx, driven by Tests/EndToEnd.
set -euo pipefail
. "$(dirname "$0")/common.sh"

# The Python environment of the end-to-end tests, made again only when the requirements changed.
prepare_venv() {
    local wanted=Tests/EndToEnd/requirements.txt
    if cmp -s "$wanted" .venv/requirements.txt; then return; fi
    rm -rf .venv
    python3 -m venv .venv || die "python3 could not make .venv: install python3-venv."
    .venv/bin/pip install -q --disable-pip-version-check -r "$wanted" || die "pip could not install $wanted: check the network."
    cp "$wanted" .venv/requirements.txt
}

require_swift
case "${1:-}" in
unit)
    packaging/dev/deps.sh test
    swift test
    ;;
e2e)
    packaging/dev/deps.sh test
    build_release
    prepare_venv
    BINARY=${BINARY:-$root/.build/release/qwen-all-in-one} exec .venv/bin/python -m pytest Tests/EndToEnd
    ;;
*) die "test.sh needs unit or e2e." ;;
esac
