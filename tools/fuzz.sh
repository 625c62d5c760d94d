#!/usr/bin/env bash
# tools/fuzz.sh [SECONDS]: builds the fuzz targets (clang) and runs each for SECONDS (default 20).
# What they learn is kept in build/fuzz/corpus, what breaks them in build/fuzz/crashes.
set -euo pipefail
. "$(dirname "$0")/common.sh"
seconds=${1:-20}

mapfile -t targets < <(sed -n 's/^signet_fuzzer(\([a-z0-9_]*\).*/\1/p' tests/fuzz/CMakeLists.txt)
tools/build.sh fuzz "${targets[@]}"
mkdir -p build/fuzz/crashes
for target in "${targets[@]}"; do
  echo "fuzz: $target for $seconds s"
  quietly "$target" "build/fuzz/bin/$target" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=2048 -artifact_prefix=build/fuzz/crashes/ "build/fuzz/corpus/$target"
done
echo "fuzz: ${#targets[@]} targets, nothing found"
