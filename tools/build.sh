#!/usr/bin/env bash
# tools/build.sh [PRESET [TARGET…]]: installs what is missing, configures and builds (default: release,
# everything); quiet unless it fails.
set -euo pipefail
. "$(dirname "$0")/common.sh"
preset=${1:-release}
targets=()
[ $# -lt 2 ] || targets=(--target "${@:2}")

tools/install-packages.sh >&2
[ -f "build/$preset/build.ninja" ] || quietly configuring cmake --preset "$preset"
quietly building cmake --build --preset "$preset" "${targets[@]}"
echo "build: build/$preset/bin" >&2
