#!/usr/bin/env bash
# Checks what is there for Prometheus: the alerts, a test of each, and what a real daemon serves after a real load.
#
#   tests/metrics/run.sh
#
# Needs promtool (the package prometheus of Debian) and what `cargo build` needs.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

if ! command -v promtool >/dev/null; then
    printf 'promtool is not installed: apt-get install --no-install-recommends prometheus\n' >&2
    exit 2
fi
rules=config/prometheus/promptd.rules.yml

printf '== rules\n'
promtool check rules "$rules"
printf '== tests of the rules\n'
promtool test rules tests/metrics/rules.test.yml

printf '== what a daemon serves\n'
cargo build --locked --quiet --bins
programs=${CARGO_TARGET_DIR:-target}/debug
place=$(mktemp -d)
daemon=
finish() {
    [[ -z $daemon ]] || kill "$daemon" 2>/dev/null || true
    [[ -z $daemon ]] || wait "$daemon" 2>/dev/null || true
    rm -rf "$place"
}
trap finish EXIT

export PROMPTD_SOCKET=$place/promptd.sock
export PROMPTD__OPTIMIZER__STORAGE__CONFIG__MIN_FREE_BYTES=0
export PROMPTD__OPTIMIZER__STORAGE__CONFIG__SCRUB__FIRST_PAUSE_SECONDS=0
"$programs/promptd" --store "$place/store" --socket "$PROMPTD_SOCKET" 2>"$place/log" &
daemon=$!
for _ in {1..600}; do
    ! "$programs/promptctl" --quiet version >/dev/null 2>&1 || break
    kill -0 "$daemon" || { cat "$place/log"; exit 1; }
    sleep 0.1
done
"$programs/promptctl" --quiet bench --fill --prompts 30 --versions 4 --op mixed --seconds 3 --clients 8
"$programs/promptctl" --quiet backup
"$programs/promptctl" --quiet verify
"$programs/promptctl" metrics >"$place/metrics"
promtool check metrics <"$place/metrics"

# The load must be in the numbers: an exposition of zeros is valid, too.
for name in promptd_storage_reads_total promptd_storage_writes_total promptd_cache_lookups_total \
    promptd_fsync_duration_seconds_count promptd_commit_duration_seconds_count promptd_job_duration_seconds_count \
    promptd_http_request_duration_seconds_count promptd_watch_events_total; do
    awk -v name="$name" 'index($1, name) == 1 { sum += $2 } END { exit !(sum > 0) }' "$place/metrics" ||
        { printf '%s is 0 after the load\n' "$name"; exit 1; }
done
printf 'covered: %d alerts, %d metrics, %d series\n' "$(grep -c -- '- alert:' "$rules")" \
    "$(grep -c '^# TYPE' "$place/metrics")" "$(grep -vc '^#' "$place/metrics")"
