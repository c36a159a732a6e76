# Sourced by the other scripts here: where the repository is, and how they speak.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit

say() { printf '%s\n' "$*"; }

# One line that says what is wrong and what to do, then exit 1.
die() {
    printf 'qwen-all-in-one: %s\n' "$*" >&2
    exit 1
}

require_swift() {
    command -v swift >/dev/null || die "Swift is not on PATH: install Swift 6.3 from https://www.swift.org/install/linux/ and try again."
}

# The toolchain's own static FoundationEssentials draws a linker warning about mktemp, which nothing here calls.
build_release() {
    swift build -c release --static-swift-stdlib --product qwen-all-in-one \
        -Xswiftc -use-ld=lld -Xlinker --no-warnings
}
