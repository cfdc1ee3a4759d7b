#!/usr/bin/env bash
# Make the base image from Debian packages, for machines that reach no image registry: make_base_image.sh NAME FOLDER
#
# The mirror is the one that this machine's apt uses. What an image does not need goes: package lists and caches,
# documents but the licences, manuals, translations. The Python is Debian 12's 3.11 without its development parts.
set -euo pipefail
name="$1"
folder="$2"
suite="${AIMI_DEBIAN_SUITE:-bookworm}"

mirror() {
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
        sed -nE "s/^deb +(\[[^]]*\] +)?([^ ]+) +$suite +.*main.*/\2/p" | head -n 1
    { cat /etc/apt/sources.list.d/*.sources 2>/dev/null || true; } |
        awk -v suite="$suite" '/^URIs:/ { uri = $2 } /^Suites:/ { for (i = 2; i <= NF; i++) if ($i == suite) print uri }' |
        head -n 1
}

command -v debootstrap >/dev/null || sh "$(dirname "$0")/install_debian.sh" debootstrap
from="$(mirror | head -n 1)"
if [ -z "$from" ]; then
    echo "apt names no mirror of Debian $suite: give --base-image an image with Python 3.11 instead." >&2
    exit 1
fi
rm -rf "$folder"
mkdir -p "$folder"
# Whatever a power cut would lose is made again.
export DPKG_FORCE=unsafe-io
debootstrap --variant=minbase --include=python3.11-minimal,libpython3.11-stdlib "$suite" "$folder" "$from" >"$folder.log" 2>&1 ||
    { tail -n 20 "$folder.log" >&2; exit 1; }
rm -rf "$folder"/var/lib/apt/lists/* "$folder"/var/cache/apt/* "$folder"/var/cache/debconf/*-old "$folder"/var/log/* \
    "$folder"/usr/share/man/* "$folder"/usr/share/info/* "$folder"/usr/share/locale/* "$folder"/usr/share/i18n/* \
    "$folder"/var/cache/ldconfig/*
find "$folder/usr/share/doc" -type f ! -name copyright -delete
find "$folder/usr/share/doc" -type d -empty -delete
: >"$folder/etc/machine-id"
rm -f "$folder/etc/hostname" "$folder/etc/resolv.conf"
tar -C "$folder" --numeric-owner --sort=name -c . | docker import \
    --change 'ENV LANG=C.UTF-8' --change 'CMD ["/bin/sh"]' - "$name" >"$folder.id"
rm -rf "$folder"
cat "$folder.id"
