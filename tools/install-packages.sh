#!/usr/bin/env bash
# Installs the Debian packages of tools/packages.txt that are missing.
set -euo pipefail
. "$(dirname "$0")/common.sh"

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
  echo "packages: this is no Debian system; install what tools/packages.txt names by other means" >&2
  exit 1
fi
mapfile -t wanted < <(sed 's/#.*//' tools/packages.txt | awk 'NF {print $1}')
missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  echo "packages: all ${#wanted[@]} are here"
  exit 0
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "packages: become root and run: apt-get install ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi
echo "packages: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
install() {
  quietly "installing packages" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"
}
# Tests run servers of their own: what the packages bring is not started, now or at the next boot.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi
# The package lists may be old: fetch them when the first attempt fails.
install 2>/dev/null || { quietly "apt-get update" "${as_root[@]}" apt-get update; install; }
if command -v systemctl >/dev/null; then
  for package in "${missing[@]}"; do
    dpkg-query -L "$package" | sed -n 's,^/lib/systemd/system/\([^@/]*\.service\)$,\1,p'
  done | xargs -r "${as_root[@]}" systemctl disable --quiet 2>/dev/null || true
fi
