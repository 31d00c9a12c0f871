#!/usr/bin/env bash
# Builds the Debian package: target/debian/promptd_VERSION-1_ARCHITECTURE.deb.
#
#   config/debian/build.sh                       builds the programs for release first
#   config/debian/build.sh --programs DIRECTORY  takes promptd and promptctl from there
#   config/debian/build.sh --output PATH         puts the package there
#   config/debian/build.sh ... -- ARGUMENT...    gives cargo-deb more arguments
#
# Needs cargo-deb (cargo install --locked cargo-deb) and Debian's dpkg-dev. What is in the package stands in Cargo.toml.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

programs='' output=(--output target/debian/)
while [ $# -gt 0 ]; do
    case $1 in
    --programs) programs=$(realpath "$2") ;;
    --output) output=(--output "$2") ;;
    --)
        shift
        break
        ;;
    *)
        printf 'usage: config/debian/build.sh [--programs DIRECTORY] [--output PATH] [-- ARGUMENT...]\n' >&2
        exit 2
        ;;
    esac
    shift 2
done
command -v cargo-deb >/dev/null || {
    printf 'cargo-deb is not installed: cargo install --locked cargo-deb\n' >&2
    exit 1
}
# The same sources give the same package.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
if [ -z "$programs" ]; then
    cargo build --release --locked --bins
    programs=$(realpath "${CARGO_TARGET_DIR:-target}")/release
fi

# What the programs write about themselves.
rm -rf target/deb
mkdir -p target/deb/completions
"$programs/promptctl" man target/deb/man >/dev/null
"$programs/promptctl" completions bash >target/deb/completions/promptctl
"$programs/promptctl" completions zsh >target/deb/completions/_promptctl
"$programs/promptctl" completions fish >target/deb/completions/promptctl.fish
version=$(sed -n '0,/^version = /s/^version = "\(.*\)"/\1/p' Cargo.toml)
maintainer=$(sed -n 's/^maintainer = "\(.*\)"/\1/p' Cargo.toml)
cat >target/deb/changelog <<END
promptd ($version-1) unstable; urgency=medium

  * What changed stands in /usr/share/doc/promptd/changelog.gz.

 -- $maintainer  $(date --utc --rfc-email --date "@$SOURCE_DATE_EPOCH")
END

# cargo-deb looks for programs in the directory `release` of the target directory alone: this one has nothing else.
mkdir "$place/target"
ln -s "$programs" "$place/target/release"
mkdir -p target/debian
CARGO_TARGET_DIR=$place/target cargo deb --no-build --locked "${output[@]}" "$@"
