#!/usr/bin/env bash
# root.sh FILE: writes a minimal Debian 12 with systemd as a tar file. nginx and the libraries that the package needs are not
# installed, only downloaded: apt has to find them all by itself, and finds them without a network.
set -euo pipefail

target=${1:?root.sh: name the tar file to write}
mirror=${MIRROR:-http://deb.debian.org/debian}
mkdir -p "$(dirname "$target")"
mmdebstrap --format=tar --variant=minbase --include=systemd-sysv,procps,curl,ca-certificates,openssl --skip=cleanup/apt \
    --customize-hook='chroot "$1" apt-get install --yes --download-only --no-install-recommends nginx libfcgi0ldbl' \
    bookworm "$target.part" "$mirror"
mv "$target.part" "$target"
