#!/usr/bin/env bash
# Mixed traffic through nginx until REQUESTS or HOURS are reached: does memory stay flat? Exit status 1 if not.
# Settings come from the environment: REQUESTS HOURS MODEL OPTIONS CLIENTS RATE SOAK_DIR BINARY.
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"

folder=${SOAK_DIR:-.soak/$(date -u +%Y%m%d-%H%M%S)}
packaging/dev/deps.sh test
prepare_binary
prepare_venv
say "Writing to $folder; samples.csv grows as it goes. A run that was cut short: packaging/soak/soak.py $folder --report-only"
BINARY=$BINARY exec .venv/bin/python packaging/soak/soak.py "$folder" --requests "${REQUESTS:-100000}" --hours "${HOURS:-4}" \
    --clients "${CLIENTS:-10}" --rate "${RATE:-0}" --model "${MODEL:-models/starter.gguf}" --server-options "${OPTIONS:-}"
