#!/usr/bin/env bash
# The engine's speed at the shape of Qwen1.5-0.5B, with random weights: synthesizes the models that are missing, then
# runs `qwen-all-in-one bench` on all of them. BENCH_TYPES names the formats, BENCH_ARGS goes to bench.
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"
. packaging/bench/models.sh

packaging/dev/build.sh
models=()
for type in ${BENCH_TYPES:-q8_0 q4_0 f16 bf16}; do models+=(--model "$(bench_model "$type")"); done
# shellcheck disable=SC2086  # words
exec .build/release/qwen-all-in-one bench "${models[@]}" ${BENCH_ARGS:-}
