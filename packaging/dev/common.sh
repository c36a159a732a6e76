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

# The toolchain's own static FoundationEssentials draws a linker warning about mktemp, which nothing here calls. Packed relocations
# (glibc 2.36 and later) spare 2 MB of memory.
build_release() {
    swift build -c release --static-swift-stdlib --product qwen-all-in-one \
        -Xswiftc -use-ld=lld -Xlinker --no-warnings -Xlinker -z -Xlinker pack-relative-relocs
}

# The program: what BINARY names, else one that is built here.
prepare_binary() {
    if [ -z "${BINARY:-}" ]; then
        require_swift
        packaging/dev/deps.sh run
        build_release || die "The build failed: see the compiler's message above."
        BINARY=$root/.build/release/qwen-all-in-one
    fi
    [ -x "$BINARY" ] || die "No program at $BINARY: build it, or leave BINARY empty."
}

# The Python environment of the end-to-end tests, made again only when the requirements changed.
prepare_venv() {
    local wanted=Tests/EndToEnd/requirements.txt
    if cmp -s "$wanted" .venv/requirements.txt; then return; fi
    rm -rf .venv
    python3 -m venv .venv || die "python3 could not make .venv: install python3-venv."
    .venv/bin/pip install -q --disable-pip-version-check -r "$wanted" || die "pip could not install $wanted: check the network."
    cp "$wanted" .venv/requirements.txt
}
