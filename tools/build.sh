#!/usr/bin/env bash
# tools/build.sh [PRESET]: installs what is missing, configures and builds; quiet unless it fails.
set -euo pipefail
. "$(dirname "$0")/common.sh"
preset=${1:-release}

tools/install-packages.sh >&2
[ -f "build/$preset/build.ninja" ] || quietly configuring cmake --preset "$preset"
quietly building cmake --build --preset "$preset"
echo "build: build/$preset/bin" >&2
