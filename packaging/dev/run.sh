#!/usr/bin/env bash
# Builds and serves in the foreground: the responder, and nginx with this repository's configuration in front of it.
# Settings come from the environment; `make help` lists them. Everything it writes is under $RUN_DIR.
set -euo pipefail
. "$(dirname "$0")/common.sh"

HTTPS_PORT=${HTTPS_PORT:-8443}
HTTP_PORT=${HTTP_PORT:-8080}
ADDRESS=${ADDRESS:-127.0.0.1}
MODEL=${MODEL:-models/starter.gguf}
ROLES=${ROLES:-roles}
THREADS=${THREADS:-}
OPTIONS=${OPTIONS:-}
CERT=${CERT:-}
KEY=${KEY:-}
BINARY=${BINARY:-}
RUN_DIR=${RUN_DIR:-.run}

# Most seconds from start to /readyz, and from Ctrl-C to a forced end.
ready_seconds=300
stop_seconds=40

check_port() { # name, value
    [[ $2 =~ ^[0-9]+$ ]] && [ "$2" -ge 1 ] && [ "$2" -le 65535 ] || die "$1=$2 is no port: give a number from 1 to 65535."
    if (exec 3<>"/dev/tcp/$probe_address/$2") 2>/dev/null; then
        die "Port $2 is in use: stop what listens there, or choose another with $1=<port>."
    fi
}

# A self-signed certificate for localhost, made once and again when a day or less of it is left.
make_certificate() {
    CERT=$run/localhost.pem KEY=$run/localhost.key
    if [ -s "$KEY" ] && openssl x509 -in "$CERT" -noout -checkend 86400 >/dev/null 2>&1; then return; fi
    (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 \
        -subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' \
        -addext 'extendedKeyUsage=serverAuth' -keyout "$KEY" -out "$CERT" 2>/dev/null) \
        || die "openssl could not make a certificate in $run: check that the folder is writable."
}

# nginx.conf from the template; bash replaces literally because the values are quoted.
write_configuration() {
    local text user_line=""
    # As root, nginx would hand its workers to a user who may not enter this folder.
    [ "$(id -u)" -ne 0 ] || user_line="user root;"
    text=$(<nginx/development.conf.template)
    text=${text//@USER_LINE@/"$user_line"}
    text=${text//@RUN@/"$run"}
    text=${text//@SOCKETS@/"$sockets"}
    text=${text//@ROOT@/"$root"}
    text=${text//@ADDRESS@/"$ADDRESS"}
    text=${text//@HTTP_PORT@/"$HTTP_PORT"}
    text=${text//@HTTPS_PORT@/"$HTTPS_PORT"}
    text=${text//@CERT@/"$CERT"}
    text=${text//@KEY@/"$KEY"}
    printf '%s\n' "$text" >"$run/nginx.conf"
    ln -sfn "$root/nginx/snippets" "$run/qwen-all-in-one"
}

# A child in its own session, so that Ctrl-C reaches only this script, which ends with it even if killed outright.
start() { setsid setpriv --pdeathsig TERM -- "$@" 9>&- & }

alive() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }

# Ends both children in order and leaves the exit status of the responder in $responder_status.
stop_children() {
    trap '' INT TERM HUP
    responder_status=0
    alive "$responder" && kill -TERM "$responder"
    local waited=0
    while { alive "$nginx" || alive "$responder"; } && [ $waited -lt $((stop_seconds * 10)) ]; do
        # Again each second: a background child ignores SIGQUIT until nginx has set up its own handling.
        if [ $((waited % 10)) -eq 0 ] && alive "$nginx"; then kill -QUIT "$nginx" 2>/dev/null || true; fi
        sleep 0.1
        waited=$((waited + 1))
    done
    alive "$nginx" && kill -KILL "$nginx"
    alive "$responder" && kill -KILL "$responder"
    [ -z "$nginx" ] || wait "$nginx" || true
    [ -z "$responder" ] || wait "$responder" || responder_status=$?
    rm -f "$sockets/main.sock" "$sockets/ops.sock"
    [ "$sockets" = "$run" ] || rmdir "$sockets"
}

# The line of a log that says why: the error's, else the last.
reason() { grep -m 1 '^Error: ' "$1" 2>/dev/null || tail -n 1 "$1" 2>/dev/null; }

# Stops what still runs and says which child failed, with the reason that its log gives; of one that a signal ended, which one.
fail() { # what, log file, status
    if [ "${3:-0}" -gt 128 ]; then
        stop_children
        die "$1: signal $(kill -l "$3") (log: $2)"
    fi
    stop_children
    die "$1: $(reason "$2") (log: $2)"
}

on_signal() {
    stop_children
    [ "$responder_status" -eq 0 ] || die "The responder ended with status $responder_status: $(reason "$run/responder.log")"
    say "Stopped."
    exit 0
}

probe_address=$ADDRESS
[ "$ADDRESS" != 0.0.0.0 ] || probe_address=127.0.0.1
if [ -z "$BINARY" ]; then require_swift; fi
[ -e "$MODEL" ] || die "No model at $MODEL: give a GGUF file or a Hugging Face folder with MODEL=<path>."
[ -d "$ROLES" ] || die "No folder of roles at $ROLES: give one with ROLES=<path>."
if [ -n "$CERT$KEY" ]; then
    [ -r "$CERT" ] && [ -r "$KEY" ] || die "CERT=$CERT and KEY=$KEY: give both, as readable PEM files."
    CERT=$(realpath "$CERT") KEY=$(realpath "$KEY")
fi
check_port HTTPS_PORT "$HTTPS_PORT"
check_port HTTP_PORT "$HTTP_PORT"

packaging/dev/deps.sh run
prepare_binary

mkdir -p "$RUN_DIR/tmp" || die "Cannot create $RUN_DIR: choose another folder with RUN_DIR=<path>."
run=$(cd "$RUN_DIR" && pwd)
exec 9>"$run/lock"
flock -n 9 || die "Another server already runs in $run: stop it, or choose another folder with RUN_DIR=<path>."
# A socket's path has at most 107 bytes.
sockets=$run
if [ "$(printf %s "$run/main.sock" | wc -c)" -gt 107 ]; then sockets=$(mktemp -d /tmp/qwen-all-in-one.XXXXXX); fi
rm -f "$sockets/main.sock" "$sockets/ops.sock"
[ -n "$CERT" ] || make_certificate
write_configuration
# Debian keeps it outside a plain user's PATH.
nginx_command=("$(PATH=$PATH:/usr/sbin command -v nginx)" -p "$run" -c "$run/nginx.conf" -e "$run/nginx-error.log")
: >"$run/nginx-error.log"
"${nginx_command[@]}" -t -q 2>"$run/nginx-test.log" || die "nginx refuses $run/nginx.conf: $(reason "$run/nginx-test.log")"

nginx="" responder="" responder_status=0
trap on_signal INT TERM HUP
responder_command=("$BINARY" serve --model "$MODEL" --roles "$ROLES"
    --socket "$sockets/main.sock" --ops-socket "$sockets/ops.sock" --state "$run/state")
read -r -a more_options <<<"$OPTIONS"
responder_command+=("${more_options[@]}")
[ -z "$THREADS" ] || responder_command+=(--threads "$THREADS")
start "${responder_command[@]}" >"$run/responder.log" 2>&1
responder=$!
start "${nginx_command[@]}" >>"$run/nginx-error.log" 2>&1
nginx=$!
printf '%s\n' "$responder" >"$run/responder.pid"

say "Loading $MODEL ..."
url=https://$probe_address:$HTTPS_PORT
headline=Ready:
deadline=$((SECONDS + ready_seconds))
until curl -ksf --noproxy '*' -m 2 -o "$run/tmp/readyz" "$url/readyz"; do
    # A model that fails its self-check is never ready; the status page says why.
    if curl -ks --noproxy '*' -m 2 "$url/status.json" | grep -q '"self_check":{"result":"mismatch"'; then
        headline="Not ready: the model failed its self-check, see"
        break
    fi
    alive "$responder" || fail "The responder did not start" "$run/responder.log"
    alive "$nginx" || fail "nginx did not start" "$run/nginx-error.log"
    [ $SECONDS -lt $deadline ] || fail "Not ready after $ready_seconds s" "$run/responder.log"
    sleep 0.2
done

trust=""
[ "$CERT" != "$run/localhost.pem" ] || trust="--cacert '$CERT' "
cat <<TEXT
$headline https://localhost:$HTTPS_PORT/  (status: https://localhost:$HTTPS_PORT/status.html)
Try:   curl ${trust}https://localhost:$HTTPS_PORT/v1/classify -d '{"model":"sentiment","input":"今天真开心"}'
Logs:  $run/responder.log  $run/nginx-error.log
Stop:  Ctrl-C
TEXT

status=0
wait -n "$responder" "$nginx" || status=$?
alive "$responder" || fail "The responder ended" "$run/responder.log" $status
fail "nginx ended" "$run/nginx-error.log" $status
