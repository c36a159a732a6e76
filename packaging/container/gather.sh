#!/bin/sh
# gather.sh FOLDER PROGRAM...: copies programs and the libraries that they load into FOLDER, at their own paths, with the
# folders that the image's two services write to and the user who may.
set -eu

folder=$1
shift
for program in "$@"; do
    libraries=$(ldd "$program" | grep -o '/[^ ]*' | sort -u)
    # shellcheck disable=SC2086 # one argument a library
    (cd / && mkdir -p "$folder" && cp --parents -L "$program" $libraries "$folder")
done
user=10001
install -d -o $user -g $user -m 750 "$folder/run/qwen-all-in-one" "$folder/var/lib/qwen-all-in-one"
install -d -m 1777 "$folder/tmp"
install -d "$folder/etc"
printf 'qwen-all-in-one:x:%s:%s::/:/nowhere\n' $user $user >"$folder/etc/passwd"
printf 'qwen-all-in-one:x:%s:\n' $user >"$folder/etc/group"
