#!/usr/bin/env bash
# A short run under LeakSanitizer, which must find no block that nothing points to any more. A minute.
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"

packaging/dev/deps.sh leaks
prepare_binary
prepare_venv
BINARY=$BINARY exec .venv/bin/python packaging/soak/leaks.py
