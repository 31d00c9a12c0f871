# shellcheck shell=bash disable=SC2154 # variables of harness.sh
# What the journal has of promptd: fields, ids, texts.

# the_entries_with FIELD=VALUE...: the entries with these fields, one JSON object per line.
the_entries_with() {
    journalctl --no-pager -o json --since "@$journal_from" -u promptd.service "$@"
}

# the_entry_has FIELD=VALUE NAME VALUE: an entry with one field has another one.
the_entry_has() {
    the_entries_with "$1" | grep -q -- "\"$2\":\"$3\""
}

lines_are_entries_with_their_fields() {
    put greet 'Say hello.'
    within 5 the_entry_has EVENT=ready SYSLOG_IDENTIFIER promptd
    the_entry_has EVENT=ready PRIORITY 6
    the_entry_has EVENT=ready SOCKET "$socket"
    the_entries_with EVENT=ready | grep -q '"MESSAGE_ID":"[0-9a-f]\{32\}"'
    # Somebody else adds a version: the line names the prompt.
    local file
    file=$(find "$store" -name 1.0.0.json -path '*/greet/*')
    cp -p "$file" "${file%/*}/1.0.5.json"
    sed -i 's/"1\.0\.0"/"1.0.5"/' "${file%/*}/1.0.5.json"
    within 10 the_entry_has EVENT=changed-outside PROMPT_ID greet
    # The text of a prompt is nowhere.
    not journal_has 'Say hello'
}

a_refused_request_names_the_user() {
    configure 'daemon: {access: {default_role: read}}'
    not put greet 'Say hello.'
    within 5 the_entry_has EVENT=access-refused PEER_UID 4242
    the_entry_has EVENT=access-refused PRIORITY 4
    the_entry_has EVENT=access-refused METHOD POST
}

jobs_and_reloads_are_found_by_their_fields() {
    configure 'daemon: {limits: {max_connections: 20}}'
    put greet 'Say hello.'
    as_client promptctl backup
    within 5 the_entry_has EVENT=backup-made KIND backup
    the_entries_with EVENT=backup-made | grep -q '"JOB_ID":"'
    configure 'daemon: {limits: {max_connections: many}}'
    systemctl reload promptd.service
    within 5 the_entry_has EVENT=reload-refused PRIORITY 3
}

the_texts_of_the_catalog() {
    journalctl --no-pager -x --since "@$journal_from" -u promptd.service
}

lines_have_a_text_that_says_what_to_do() {
    put greet 'Say hello.'
    within 5 the_entry_has EVENT=ready PRIORITY 6
    the_texts_of_the_catalog | grep -q 'Subject: promptd is ready'
    # Placeholders are filled in.
    the_texts_of_the_catalog | grep -q "Requests are served on $socket"
    not grep -q '@[A-Z_]*@' <(the_texts_of_the_catalog)
    journalctl --list-catalog | grep -q 'Lines of the log were left out'
}

lines_that_come_too_often_are_left_out_and_counted() {
    local n
    configure 'daemon: {access: {default_role: read}, logging: {max_events_per_minute: 2}}'
    for n in 1 2 3 4 5; do
        not put greet "Say hello $n."
    done
    systemctl stop promptd.service
    within 5 the_entry_has EVENT=lines-left-out LEFT_OUT 3
    the_entry_has EVENT=lines-left-out ABOUT 4242
    [ "$(the_entries_with EVENT=access-refused | wc -l)" = 2 ]
}
