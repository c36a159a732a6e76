#!/usr/bin/env bash
# What each weight type costs the starter model: its perplexity on every 500th text of ../shared/data/lm/corpus.jsonl.xz,
# in one line a type with its ratio to f32. The f32 model has the starter's own weights, so that of q8_0 is what rounding the
# activations costs. Training has seen most of these texts, and in another form: only the ratios mean something. TYPES names
# other types, the first of which the others are compared with.
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"

corpus=../shared/data/lm/corpus.jsonl.xz
[ -f "$corpus" ] || die "there is no $corpus, whose texts are measured with."
binary=${BINARY:-.build/release/qwen-all-in-one}
[ -x "$binary" ] || packaging/dev/build.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

xz -dc "$corpus" | python3 -c '
import json, sys
for number, line in enumerate(sys.stdin):
    if number % 500 == 0:
        print(json.dumps(json.loads(line)["text"], ensure_ascii=False))
' >"$folder/texts.jsonl"

reference= first=
for type in ${TYPES:-f32 bf16 f16 q8_0 q4_0}; do
    "$binary" convert "${MODEL:-models/starter.gguf}" "$folder/model.gguf" --type "$type" >&2
    line=$("$binary" perplexity --model "$folder/model.gguf" --jsonl <"$folder/texts.jsonl")
    value=${line##* }
    reference=${reference:-$value} first=${first:-$type}
    printf '%s\t%s\tx %s: %s\n' "$type" "$line" "$first" "$(awk -v a="$value" -v b="$reference" 'BEGIN { printf "%.5f", a / b }')"
done
