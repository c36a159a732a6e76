#!/usr/bin/env bash
# `test.sh unit`: the Swift tests. `test.sh e2e`: the release program behind nginx, driven by Tests/EndToEnd.
# `test.sh boot`: the Debian package in a Debian that boots in $BOOT_DIR; PACKAGE is one that is already built.
set -euo pipefail
. "$(dirname "$0")/common.sh"

[ -n "${PACKAGE:-}" ] || require_swift
case "${1:-}" in
unit)
    packaging/dev/deps.sh test
    swift test
    ;;
e2e)
    packaging/dev/deps.sh test
    build_release
    prepare_venv
    BINARY=${BINARY:-$root/.build/release/qwen-all-in-one} exec .venv/bin/python -m pytest Tests/EndToEnd
    ;;
boot)
    [ "$(id -u)" -eq 0 ] || die "test-boot boots a system: run it as root, such as sudo make test-boot."
    packaging/dev/deps.sh boot
    export BOOT_DIR=${BOOT_DIR:-.boot} PACKAGE=${PACKAGE:-}
    [ -f "$BOOT_DIR/root.tar" ] || packaging/systemd-test/root.sh "$BOOT_DIR/root.tar"
    if [ -z "$PACKAGE" ]; then
        packaging/deb/build.sh
        PACKAGE=$(echo .build/deb/*.deb)
    fi
    prepare_venv
    exec .venv/bin/python -m pytest -s packaging/systemd-test
    ;;
*) die "test.sh needs unit, e2e or boot." ;;
esac
