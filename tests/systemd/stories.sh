#!/usr/bin/env bash
# Runs inside of tests/systemd/boot.sh: installs promptd as a package would, then tells one story after another. Each is a
# function whose name says what holds. A story that fails shows what it did and the end of the journal; one that ends with 77
# cannot be told here, and its last line says why.
set -u

here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=/dev/null
source "$here/harness.sh"
# shellcheck source=/dev/null
source "$here/package.sh"
for file in "$here"/stories/*.sh; do
    # shellcheck source=/dev/null
    source "$file"
done

# A volume that stays frozen would outlive everything else.
trap thaw EXIT TERM
wanted=("$@")
failed=0 skipped=0 told=0 journal_from=0 failures=()
install_promptd
for file in "$here"/stories/*.sh; do
    while read -r story; do
        ((${#wanted[@]} == 0)) || [[ " ${wanted[*]} " == *" $story "* ]] || continue
        told=$((told + 1))
        began=$SECONDS
        start_afresh >/dev/null 2>&1
        (
            set -eE
            trap 'echo "failed in line $LINENO: $BASH_COMMAND"' ERR
            "$story"
        ) >/tmp/story.log 2>&1
        code=$?
        thaw
        if [ $code = 0 ]; then
            printf 'ok      %s (%d s)\n' "$story" "$((SECONDS - began))"
        elif [ $code = 77 ]; then
            skipped=$((skipped + 1))
            printf 'SKIPPED %s: %s\n' "$story" "$(tail -n 1 /tmp/story.log)"
        else
            failed=$((failed + 1))
            printf 'FAILED  %s (%d s)\n' "$story" "$((SECONDS - began))"
            failures+=("$story: $(grep '^never: \|^failed in line' /tmp/story.log | head -n 2 | paste -sd ' ')")
            sed 's/^/    /' /tmp/story.log
            journalctl --no-pager -o cat -n 40 --since "@$journal_from" -u promptd.service -u promptd.socket | sed 's/^/    journal: /'
        fi
    done < <(sed -n 's/^\([a-z_]*\)() {$/\1/p' "$file" | grep -v '^the_')
done
((told > 0)) || {
    printf 'there is no such story\n'
    exit 2
}
# Once more at the end, where nobody has to search for it.
((failed == 0)) || printf 'failed: %s\n' "${failures[@]}"
printf '%d stories, %d failed, %d skipped\n' "$told" "$failed" "$skipped"
((failed == 0))
