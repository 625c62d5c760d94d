#!/usr/bin/env bash
# tools/format.sh [--check]: clang-format over the tracked C++ files.
set -euo pipefail
. "$(dirname "$0")/common.sh"

arguments=(-i)
[ "${1:-}" != --check ] || arguments=(--dry-run --Werror)
git ls-files -z --cached '*.h' '*.cc' | xargs -0 -r -n 40 clang-format "${arguments[@]}"
[ "${1:-}" != --check ] || echo "format: ok"
