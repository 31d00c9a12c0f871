#!/usr/bin/env bash
# Holds promptd against the promises of docs/durability.md, and prints what was covered: power failures after every call,
# failing calls, kills of the daemon and of its actors, damage of every kind, changes by other programs, hostile paths and
# bytes, and orders of events.
#
#   tests/faults/run.sh              the long form, about 14 minutes on 2 cores once it is compiled
#   tests/faults/run.sh short        the form that the gate runs
#   tests/faults/run.sh SIZE PART... only these parts, for example: tests/faults/run.sh full power kills
#
# Needs what `cargo test` needs. git, rsync, setpriv and root widen what is covered; without them it says what was skipped.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec </dev/null

size=${1:-full}
shift || true
case $size in
short | full) ;;
*)
    printf 'the size is short or full, not %s\n' "$size" >&2
    exit 2
    ;;
esac
wanted=("$@")
known=()
export PROMPTD_FAULTS=$size CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-never}"
covered=$(mktemp)
trap 'rm -f "$covered"' EXIT

# part NAME LIMIT COMMAND...: runs one part under a time limit and keeps what it says it covered. The limit is there to end
# what hangs, not to measure: a machine that does other things as well takes longer.
part() {
    local name=$1 limit=$2
    shift 2
    known+=("$name")
    ((${#wanted[@]} == 0)) || [[ " ${wanted[*]} " == *" $name "* ]] || return 0
    printf '\n==== %s: %s\n' "$name" "$*"
    local started=$SECONDS
    local output
    output=$(mktemp)
    if ! timeout --kill-after=10s "$limit" "$@" >"$output" 2>&1; then
        cat "$output"
        rm -f "$output"
        printf '==== %s FAILED after %d s\n' "$name" "$((SECONDS - started))"
        exit 1
    fi
    if ! grep -Eq '^test result: ok\. [1-9]' "$output"; then
        cat "$output"
        rm -f "$output"
        printf '==== %s FAILED: no test ran\n' "$name"
        exit 1
    fi
    # A line of the test harness may stand before what a test prints.
    grep -Eo '(covered|skipped): .*' "$output" | tee -a "$covered" || true
    grep -E '^test result:' "$output" | grep -v ' 0 passed' || true
    rm -f "$output"
    printf '==== %s ok, %d s\n' "$name" "$((SECONDS - started))"
}

lib=(cargo test --locked --lib)
it=(cargo test --locked --test it)

# What is compiled first takes its time; it is no part of any suite.
cargo test --locked --lib --test it --no-run
cargo test --locked --lib --features interleavings --no-run
started=$SECONDS

part power 15m "${lib[@]}" -- --nocapture tests::crash tests::power
part faults 10m "${lib[@]}" -- --nocapture tests::fault_table tests::faults tests::slow_disks tests::stopping \
    tests::recovery tests::refusals tests::trash_notes tests::backup_faults jobs::tests::disk
part actors 10m "${lib[@]}" -- --nocapture tests::actor_ends tests::swapped tests::restarts
part damage 15m "${lib[@]}" -- --nocapture tests::damage tests::strange_stores
part roots 5m "${it[@]}" -- --nocapture store_root:: unreadable:: read_only::
part archives 5m "${lib[@]}" -- --nocapture backup::archive backup::member backup::place disk::real
part fuzz 10m "${lib[@]}" -- --nocapture fuzz::
part kills 15m "${it[@]}" -- --nocapture kills::
part outside 15m "${it[@]}" -- --nocapture outside::
part paths 10m "${it[@]}" -- --nocapture hostile_paths:: hostile_backups::
part interleavings 15m "${lib[@]}" --features interleavings -- --nocapture interleavings::

for name in "${wanted[@]}"; do
    if [[ " ${known[*]} " != *" $name "* ]]; then
        printf 'there is no part %s; there are: %s\n' "$name" "${known[*]}" >&2
        exit 2
    fi
done

printf '\n==== covered, in the %s form, in %d s\n' "$size" "$((SECONDS - started))"
sort "$covered"
