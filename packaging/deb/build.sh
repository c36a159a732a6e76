#!/usr/bin/env bash
# Builds the Debian package into .build/deb/. BINARY is a program that is already built with the Swift runtime in it.
set -euo pipefail
. "$(dirname "$0")/../dev/common.sh"

packaging/dev/deps.sh deb
prepare_binary
if ldd "$BINARY" | grep -q libswift; then
    die "$BINARY needs the Swift runtime's shared libraries: build it with --static-swift-stdlib."
fi

stage=$root/.build/deb/source
rm -rf "$root/.build/deb"
mkdir -p "$stage"
cp -a packaging/deb/debian "$stage/debian"
package_version=$(dpkg-parsechangelog -l "$stage/debian/changelog" -S Version)
date=$(dpkg-parsechangelog -l "$stage/debian/changelog" -S Date)
program_version=$("$BINARY" --version)
[ "$package_version" = "$program_version" ] \
    || die "The program says that it is $program_version, debian/changelog says $package_version: change one of them."

# Everything as it will lie on the machine.
tree=$stage/root
share=$tree/usr/share/qwen-all-in-one
examples=$tree/usr/share/doc/qwen-all-in-one/examples
put() { # mode, target folder, files
    install -d "$2"
    install -m "$1" -t "$2" "${@:3}"
}
put 755 "$tree/usr/bin" "$BINARY"
put 644 "$share" models/starter.gguf
put 644 "$share/www" www/*
put 644 "$tree/lib/systemd/system" systemd/*.service systemd/*.socket
put 644 "$tree/etc/qwen-all-in-one/roles" roles/*.yaml
put 644 "$tree/etc/nginx/qwen-all-in-one" nginx/snippets/*
install -D -m 644 nginx/qwen-all-in-one.conf "$tree/etc/nginx/sites-available/qwen-all-in-one"
install -D -m 644 systemd/qwen-all-in-one.default "$tree/etc/default/qwen-all-in-one"
put 644 "$tree/usr/share/doc/qwen-all-in-one" README.md README.zh-CN.md BENCHMARKS.md models/MODEL_CARD.md \
    docs/*.md docs/*.svg
put 644 "$examples/nginx/upstreams" nginx/upstreams/*
put 644 "$examples/nginx/cache" nginx/cache/*.conf
put 755 "$examples/nginx/cache" nginx/cache/*.sh
put 644 "$examples/prometheus" packaging/prometheus/*
put 644 "$examples/grafana" packaging/grafana/*

# What the program says of itself.
completion() { # shell, path
    install -d "$(dirname "$tree/$2")"
    # The generator begins bash's with a line for a program; it is only ever sourced.
    "$BINARY" --generate-completion-script "$1" | sed "1{/^#!/d}" >"$tree/$2"
}
completion bash usr/share/bash-completion/completions/qwen-all-in-one
completion zsh usr/share/zsh/vendor-completions/_qwen-all-in-one
completion fish usr/share/fish/vendor_completions.d/qwen-all-in-one.fish
"$BINARY" --experimental-dump-help \
    | python3 packaging/deb/manual.py "$program_version" "$(date -u -d "$date" +%F)" >"$stage/qwen-all-in-one.1"

(cd "$stage" && dpkg-buildpackage --build=binary --no-sign >../build.log 2>&1) \
    || die "dpkg-buildpackage failed: $(tail -n 1 .build/deb/build.log) (log: .build/deb/build.log)"
package=.build/deb/qwen-all-in-one_${package_version}_$(dpkg --print-architecture).deb
say "$package ($(du -h --apparent-size "$package" | cut -f 1))"
