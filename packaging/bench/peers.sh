#!/usr/bin/env bash
# Our program beside its peers (see BENCHMARKS.md). Installs them into $BENCH_DIR (.bench): Python packages into a virtual environment,
# llama.cpp built for this processor from the source that the PyPI package llama-cpp-python carries. The first run takes
# half an hour and 8 GB, mostly for that; --install does only that. BENCH_ARGS goes to the comparison:
# BENCH_ARGS="--only engine --types q8_0 --rounds 3".
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"
. packaging/bench/models.sh

llama_version=0.3.36
requirements=packaging/bench/peers/requirements.txt
python=$BENCH_DIR/venv/bin/python

install_packages() {
    if cmp -s "$requirements" "$BENCH_DIR/venv/requirements.txt"; then return; fi
    say "Installing the peers' Python packages into $BENCH_DIR/venv"
    mkdir -p "$BENCH_DIR"
    python3 -m venv --clear "$BENCH_DIR/venv" || die "python3 could not make $BENCH_DIR/venv: install python3-venv."
    "$BENCH_DIR/venv/bin/pip" install -q --disable-pip-version-check -r "$requirements" \
        || die "pip could not install $requirements: check the network."
    cp "$requirements" "$BENCH_DIR/venv/requirements.txt"
}

# llama-bench and llama-server, with every instruction that this processor has.
build_llama() {
    local target=$BENCH_DIR/llama.cpp source=$BENCH_DIR/llama-cpp-python
    if [ "$(cat "$target/version" 2>/dev/null)" = "$llama_version" ]; then return; fi
    say "Building llama.cpp of llama-cpp-python $llama_version into $target"
    rm -rf "$target" "$source" && mkdir -p "$source"
    "$BENCH_DIR/venv/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary llama-cpp-python \
        --dest "$source" "llama-cpp-python==$llama_version" || die "pip could not download llama-cpp-python: check the network."
    tar -xzf "$source"/*.tar.gz -C "$source" --strip-components 1
    local path=$(realpath "$BENCH_DIR")/venv/bin:$PATH
    PATH=$path cmake -G Ninja -S "$source/vendor/llama.cpp" -B "$target" -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_UI=OFF \
        -DLLAMA_USE_PREBUILT_UI=OFF >"$source/configure.log" 2>&1 || die "cmake failed: see $source/configure.log."
    PATH=$path cmake --build "$target" --target llama-bench llama-server >"$source/build.log" 2>&1 \
        || die "The build of llama.cpp failed: see $source/build.log."
    printf '%s' "$llama_version" >"$target/version"
}

install_packages
build_llama
if [ "${1:-}" = --install ]; then exit; fi

# The real vocabulary where it is at hand: labels are one token each then.
tokenizer=${BENCH_TOKENIZER:-}
if [ -z "$tokenizer" ]; then
    tokenizer=models/starter.gguf
    [ ! -d ../shared/tokenizer ] || tokenizer=../shared/tokenizer
fi
export BENCH_TOKENIZER=$tokenizer

require_swift
packaging/dev/build.sh
for type in q8_0 q4_0 bf16 f16; do bench_model "$type" >/dev/null; done
# One thread for tokenizers' batches.
TOKENIZERS_PARALLELISM=false RAYON_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=1 \
    exec "$python" packaging/bench/peers --tokenizer "$tokenizer" ${BENCH_ARGS:-}
