#!/usr/bin/env bash
# This engine beside llama.cpp and transformers on the same machine, in one interleaved run. Installs the peers into
# .venv-peers (llama.cpp is compiled for this processor: minutes). PEER_ROUNDS is the number of rounds.
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"
. packaging/bench/models.sh

packaging/dev/build.sh
venv=.venv-peers
if [ ! -x $venv/bin/python ]; then python3 -m venv $venv; fi
CMAKE_ARGS=${CMAKE_ARGS:--DGGML_NATIVE=ON} $venv/bin/pip install --quiet --requirement packaging/bench/requirements.txt
models=()
for type in ${BENCH_TYPES:-q8_0 q4_0 f16 bf16}; do models+=(--model "$(bench_model "$type")"); done
exec $venv/bin/python packaging/bench/peers.py --program .build/release/qwen-all-in-one \
    --rounds "${PEER_ROUNDS:-5}" "${models[@]}"
