#!/usr/bin/env bash
# A short run under LeakSanitizer, which must find no block that nothing points to any more. A minute.
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"

packaging/dev/deps.sh leaks
if [ -z "${BINARY:-}" ]; then
    require_swift
    build_release
    BINARY=$root/.build/release/qwen-all-in-one
fi
prepare_venv
BINARY=$BINARY exec .venv/bin/python packaging/soak/leaks.py
