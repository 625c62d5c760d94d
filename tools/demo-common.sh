# shellcheck shell=bash
# Sourced by the demonstrations, behind common.sh: saying what is done, and an appliance of their own.

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ %s\n' "${*@Q}" | sed "s/'\([A-Za-z0-9_.,:=/@%+-]\{1,\}\)'/\1/g"; "$@"; }
get() { python3 -c 'import json, sys; v = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"; }

# The programs, from SIGNET_BIN or built now; they come first in PATH.
have_programs() {
  if [ -z "${SIGNET_BIN:-}" ]; then
    tools/build.sh release signet signetd signet-keyd signet-run
    SIGNET_BIN=$PWD/build/release/bin
  fi
  PATH=$SIGNET_BIN:$PATH
  unset SIGNET_URL SIGNET_OUTPUT
}

# The folder of the demonstration: build/NAME, to go on with next time, or one that goes at the end.
make_folder() {  # NAME KEEP
  if $2; then dir=$PWD/build/$1; else dir=$(mktemp -d "${TMPDIR:-/tmp}/signet-$1.XXXXXX"); fi
  mkdir -p "$dir"
  pid_file=$dir/demo.pid ready=$dir/demo.ready log=$dir/demo.log
  $2 || trap 'stop; rm -rf "$dir"' EXIT
}
alive() { [ -s "$pid_file" ] && kill -0 "$(cat "$pid_file")" 2>/dev/null; }
stop() {
  alive || return 0
  kill "$(cat "$pid_file")"
  for _ in $(seq 200); do alive || break; sleep 0.1; done
}

# signetd --dev FOLDER, until it is ready and every purpose has an identity. Sets SIGNET_SOCKET and url.
start() {  # FOLDER
  if ! alive; then
    rm -f "$ready"
    setsid nohup signetd --dev "$1" >"$ready" 2>"$log" </dev/null &
    echo $! >"$pid_file"
    for _ in $(seq 300); do { [ -s "$ready" ] || ! alive; } && break; sleep 0.1; done
    [ -s "$ready" ] || { echo "signetd did not start:" >&2; tail -n 20 "$log" >&2; exit 1; }
  fi
  SIGNET_SOCKET=$(get 'v["socket"]' <"$ready") url=$(get 'v["url"]' <"$ready")
  export SIGNET_SOCKET
  for _ in $(seq 600); do
    progress=$(signet --output json status | get 'v["progress"]')
    [ -n "$progress" ] || break
    echo "   $progress"
    sleep 1
  done
}
