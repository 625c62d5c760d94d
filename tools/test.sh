#!/usr/bin/env bash
# tools/test.sh [PRESET]: checks the formatting, builds (default: dev), runs every test.
set -euo pipefail
. "$(dirname "$0")/common.sh"
preset=${1:-dev}

tools/install-packages.sh >&2
tools/format.sh --check
tools/build.sh "$preset"
ctest --preset "$preset" -j2
