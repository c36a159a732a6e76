#!/usr/bin/env bash
# What each weight type costs the starter model: its perplexity on the texts of TEXTS, a file with one a line, in one line a type with
# its ratio to f32. Without TEXTS, on every 500th text of ../shared/data/lm/corpus.jsonl.xz, which is not part of the repository;
# training has seen most of these, and in another form: only the ratios mean something. The f32 model has the starter's own weights,
# so that of q8_0 is what rounding the activations costs. TYPES names other types, the first of which the others are compared with.
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"

corpus=../shared/data/lm/corpus.jsonl.xz
TEXTS=${TEXTS:-}
if [ -n "$TEXTS" ]; then
    [ -r "$TEXTS" ] || die "No texts at $TEXTS: give a file with one text a line as TEXTS=<path>."
else
    [ -r "$corpus" ] || die "$corpus is not here: give another file, with one text a line, as make perplexity TEXTS=<path>."
fi
prepare_binary
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

options=()
if [ -z "$TEXTS" ]; then
    TEXTS=$folder/texts.jsonl
    options=(--jsonl)
    xz -dc "$corpus" | python3 -c '
import json, sys
for number, line in enumerate(sys.stdin):
    if number % 500 == 0:
        print(json.dumps(json.loads(line)["text"], ensure_ascii=False))
' >"$TEXTS"
fi

reference= first=
for type in ${TYPES:-f32 bf16 f16 q8_0 q4_0}; do
    "$BINARY" convert "${MODEL:-models/starter.gguf}" "$folder/model.gguf" --type "$type" >&2
    line=$("$BINARY" perplexity --model "$folder/model.gguf" "${options[@]}" <"$TEXTS")
    value=${line##* }
    reference=${reference:-$value} first=${first:-$type}
    printf '%s\t%s\tx %s: %s\n' "$type" "$line" "$first" "$(awk -v a="$value" -v b="$reference" 'BEGIN { printf "%.5f", a / b }')"
done
