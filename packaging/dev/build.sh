#!/usr/bin/env bash
# Builds the release program, with its dependencies installed first.
set -euo pipefail
. "$(dirname "$0")/common.sh"

require_swift
packaging/dev/deps.sh run
build_release
