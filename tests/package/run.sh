#!/usr/bin/env bash
# Packs the debug build as the Debian package, twice, and checks it: the same sources give the same bytes, dpkg reads it, its
# manual pages and scripts are sound, and lintian finds no error.
#
#   tests/package/run.sh
#
# Needs cargo-deb, dpkg-dev, and what `cargo build` needs. Without lintian its part is passed over, and that is said.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

# As the tests are built, so that nothing is compiled twice.
cargo test --quiet --locked --no-run --test it
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for copy in first second; do
    config/debian/build.sh --programs "${CARGO_TARGET_DIR:-target}/debug" --output "$place/$copy.deb" -- --fast
done
cmp "$place/first.deb" "$place/second.deb"

dpkg-deb --info "$place/first.deb"
dpkg-deb --contents "$place/first.deb"
dpkg-deb --raw-extract "$place/first.deb" "$place/files"
for script in postinst prerm postrm; do
    sh -n "$place/files/DEBIAN/$script"
done
[ "$(cat "$place/files/DEBIAN/conffiles")" = /etc/promptd/promptd.yaml ]
find "$place/files/usr/share/man" -name '*.gz' -exec gzip --test {} +

if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error --info --display-info "$place/first.deb"
else
    printf 'lintian is not installed: not asked\n'
fi
printf 'covered: %d files, %d manual pages\n' "$(find "$place/files" -type f | wc -l)" \
    "$(find "$place/files/usr/share/man" -type f | wc -l)"
