#!/usr/bin/env bash
# Everything that has to pass before a merge: tests with and without sanitizers, fuzzing for a
# moment, clang-tidy. Takes long; tools/test.sh is the quick part.
set -euo pipefail
. "$(dirname "$0")/common.sh"

tools/test.sh dev
for preset in asan tsan; do
  tools/build.sh "$preset"
  ctest --preset "$preset" -j2
done
tools/fuzz.sh 20
tools/build.sh tidy
echo "check: all passed"
