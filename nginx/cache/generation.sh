#!/usr/bin/env bash
# Prints cache/generation.conf: a digest of everything that decides an answer, the given files and folders.
set -euo pipefail

fail() {
    printf 'generation.sh: %s\n' "$*" >&2
    exit 1
}

[ $# -gt 0 ] || fail "name the program, the model and the folder of roles."
for path in "$@"; do
    [ -r "$path" ] || fail "cannot read $path: name the program, the model and the folder of roles."
done
digest=$(find -L "$@" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
printf 'map "" $qwen_generation {\n    default %s;\n}\n' "${digest%% *}"
