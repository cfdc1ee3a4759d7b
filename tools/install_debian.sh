#!/bin/sh
# Install Debian packages that are missing, where root and apt allow it; name those that stay missing.
set -eu
missing=""
for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086  (a list of words)
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "Not installed (needs root):$missing. Tests that need them are left out, except in CI." >&2
fi
