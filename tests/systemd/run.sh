#!/usr/bin/env bash
# Holds promptd against a real systemd: installs the units, and checks one story after another (tests/systemd/stories).
#
#   tests/systemd/run.sh           every story
#   tests/systemd/run.sh NAME...   only these
#
# Builds the programs and the Debian package of them first; without cargo-deb the stories of the package are skipped. systemd,
# D-Bus and e2fsprogs are installed with apt-get when they are missing and this is root.
# Ends with 77 and the reason where no systemd of one's own can be started (tests/systemd/boot.sh).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

# Built as the tests are built, so that nothing is compiled twice.
target=${CARGO_TARGET_DIR:-target}/debug
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT

install_missing() {
    local missing=()
    [ -x /lib/systemd/systemd ] || missing+=(systemd)
    command -v dbus-daemon >/dev/null || missing+=(dbus)
    command -v mkfs.ext4 >/dev/null || missing+=(e2fsprogs)
    command -v setpriv >/dev/null || missing+=(util-linux)
    ((${#missing[@]} > 0)) || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        return 0
    fi
    printf 'installing %s\n' "${missing[*]}"
    # What cannot be installed is missed by boot.sh, which says so.
    (timeout 180 apt-get -qq update &&
        DEBIAN_FRONTEND=noninteractive timeout 300 apt-get -qq -y --no-install-recommends install "${missing[@]}") >/dev/null || true
}

# build NAME FEATURES: builds promptd and promptctl and puts them aside as NAME and promptctl.
build() {
    cargo test --quiet --locked --no-run --test it --features "$2"
    cp "$target/promptd" "$place/$1"
    cp "$target/promptctl" "$place/promptctl"
}

install_missing
# Before the build, which takes longer than to find out that it is in vain.
tests/systemd/boot.sh true
build promptd-hang hang-actor
build promptd ''
# The programs of the tests in the package, so that no release build is needed. Everything else is as it is shipped.
if command -v cargo-deb >/dev/null; then
    config/debian/build.sh --programs "$target" --output "$place/promptd.deb" -- --fast
else
    printf 'cargo-deb is not installed: cargo install --locked cargo-deb\n'
fi
cp -r systemd config "$place"
cp -r tests/systemd "$place/tests"
cp docs/operations.md "$place"
chmod -R a+rX "$place"

started=$SECONDS
tests/systemd/boot.sh --bind-ro "$place:/opt/promptd" --ext4 96M:/srv/prompts \
    bash /opt/promptd/tests/stories.sh "$@"
printf 'systemd stories: %d s\n' "$((SECONDS - started))"
