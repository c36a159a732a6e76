#!/usr/bin/env bash
# Installs the Debian packages that are missing: `deps.sh run` to build and serve, `deps.sh test` for the tests as well,
# `deps.sh leaks` to look for leaks, `deps.sh arm` to build and run programs for 64-bit ARM on another processor, `deps.sh deb` for the Debian package, `deps.sh boot` to
# boot a Debian in a folder.
set -euo pipefail
. "$(dirname "$0")/common.sh"

packages=(binutils ca-certificates curl git libc6-dev libfcgi-dev libstdc++-12-dev nginx openssl pkg-config)
case "${1:-run}" in
test) packages+=(chromium chromium-driver fonts-noto-cjk iproute2 procps prometheus python3 python3-venv) ;;
deb) packages=(debhelper dpkg-dev lintian python3) ;;
boot) packages=(mmdebstrap python3-venv systemd systemd-container util-linux) ;;
leaks) packages+=(liblsan0 python3 python3-venv) ;;
arm) packages=(gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user) ;;
esac

command -v dpkg-query >/dev/null || die "This is no Debian system: install ${packages[*]} with your package manager, then use BINARY= or the scripts in packaging/dev."

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "Missing packages: become root and run apt-get install ${missing[*]}"
    as_root=(sudo)
fi
say "Installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq || die "apt-get update failed: check the network and /etc/apt/sources.list."
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null \
    || die "apt-get could not install ${missing[*]}: see its message above."

# Debian starts these as soon as they are installed; only the programs are needed.
for service in nginx prometheus; do
    if [[ " ${missing[*]} " == *" $service "* ]] && [ -d /run/systemd/system ]; then
        "${as_root[@]}" systemctl disable --now "$service" >/dev/null 2>&1 || true
    fi
done
