#!/usr/bin/env bash
# tools/test.sh [PRESET]: builds (default: dev), runs every test, checks the formatting.
set -euo pipefail
. "$(dirname "$0")/common.sh"
preset=${1:-dev}

tools/build.sh "$preset"
ctest --preset "$preset" -j2
tools/format.sh --check
