# shellcheck shell=bash
# Sourced by the scripts beside it: the project's root, and running things quietly.
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit

# quietly WHAT COMMAND…: shows the output only when the command fails.
quietly() {
  local what=$1 log
  shift
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    echo "$what failed: $*" >&2
    tail -n 200 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
