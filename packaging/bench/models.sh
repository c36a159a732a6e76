# Sourced: models of random weights at the real size, in $BENCH_DIR (up to 2.6 GB).
# shellcheck shell=bash

export BENCH_DIR=${BENCH_DIR:-.bench}

# Prints the path of a model in a format; makes it where it is missing.
bench_model() { # type
    local path=$BENCH_DIR/random-$1.gguf
    mkdir -p "$BENCH_DIR"
    if [ ! -f "$path" ]; then
        .build/release/qwen-all-in-one synthesize "$path.part" --shape qwen1.5-0.5b --type "$1" \
            --tokenizer "${BENCH_TOKENIZER:-models/starter.gguf}" >&2
        mv "$path.part" "$path"
    fi
    printf '%s' "$path"
}
