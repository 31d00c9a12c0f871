# shellcheck shell=bash disable=SC2154 # variables of harness.sh
# Starting, reloading, stopping, being killed.

readiness_comes_after_recovery() {
    use_volume
    # Less than the recovery takes: it has to ask for more.
    drop_in start '[Service]' 'TimeoutStartSec=3s'
    put greet 'Say hello.'
    systemctl stop promptd.service
    freeze
    put greet 'Say hello to {{name}}.' >/tmp/waiting.log 2>&1 &
    local client=$!
    within 10 status_has 'opening the store'
    is_state activating
    sleep 5
    is_state activating
    kill -0 "$client"
    thaw
    within 10 is_state active
    wait "$client"
    [ "$(as_client promptctl get greet)" = 'Say hello to {{name}}.' ]
}

the_writer() {
    local n
    for n in $(seq 200); do
        [ ! -e /tmp/enough ] || return 0
        if put "load-$((n % 7))" "Text $n."; then
            echo "Text $n." >>/tmp/acknowledged
        fi
    done
}

what_was_acknowledged_survives_kill_nine() {
    local kill pid text
    rm -f /tmp/enough /tmp/acknowledged
    put greet 'Say hello.'
    (
        set +e
        the_writer
    ) &
    local writer=$!
    for kill in 1 2 3; do
        within 10 is_state active
        pid=$(main_pid)
        sleep 0.7
        kill -KILL "$pid"
        within 10 was_replaced "$pid"
    done
    touch /tmp/enough
    wait "$writer"
    [ "$(property NRestarts)" = 3 ]
    echo "acknowledged: $(wc -l </tmp/acknowledged), kills: $kill"
    [ "$(wc -l </tmp/acknowledged)" -ge 5 ]
    as_client promptctl export - >/tmp/everything
    while read -r text; do
        grep -qF "$text" /tmp/everything
    done </tmp/acknowledged
    as_client promptctl verify
    [ -z "$(find "$store" -path '*/.tmp/*' -type f)" ]
}

requests_during_a_restart_are_answered() {
    put greet 'Say hello.'
    local n pid
    for n in 1 2 3; do
        pid=$(main_pid)
        systemctl restart promptd.service &
        while kill -0 $! 2>/dev/null; do
            [ "$(as_client promptctl get greet)" = 'Say hello.' ]
        done
        wait $!
        [ "$(main_pid)" != "$pid" ]
    done
    # Nobody is there for a moment after a kill either.
    kill -KILL "$(main_pid)"
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
}

the_limit_is() {
    as_client promptctl status --json | grep -q "\"max_requests_in_flight\": *$1,"
}

a_reload_takes_what_it_can_and_refuses_what_is_wrong() {
    configure 'daemon: {limits: {max_requests_in_flight: 7}}'
    put greet 'Say hello.'
    local pid
    pid=$(main_pid)
    the_limit_is 7
    configure 'daemon: {limits: {max_requests_in_flight: 9}, socket_mode: "0600"}'
    systemctl reload promptd.service
    within 5 status_has 'restart promptd to use the new daemon.socket_mode'
    the_limit_is 9
    configure 'daemon: {limits: {max_requests_in_flight: many}}'
    systemctl reload promptd.service
    within 5 status_has 'the new configuration is refused'
    the_limit_is 9
    configure 'daemon: {limits: {max_requests_in_flight: 8}}'
    systemctl reload promptd.service
    within 5 the_limit_is 8
    [ "$(property StatusText)" = serving ]
    [ "$(main_pid)" = "$pid" ]
}

stopping_both_units_ends_it_and_starting_the_socket_brings_it_back() {
    put greet 'Say hello.'
    systemctl stop promptd.service promptd.socket
    [ ! -e "$socket" ]
    is_state inactive
    [ "$(property Result)" = success ]
    systemctl start promptd.socket
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
}

a_service_without_its_socket_makes_one_itself() {
    put greet 'Say hello.'
    systemctl stop promptd.service promptd.socket
    install -d -o promptd -g promptd /run/promptd-own
    drop_in own '[Unit]' 'Requires=' '[Service]' 'ReadWritePaths=/run/promptd-own' 'ExecStart=' \
        'ExecStart=/usr/bin/promptd --socket /run/promptd-own/promptd.sock' 'Sockets='
    systemd-run --quiet --unit promptd-alone --uid promptd --setenv=STATE_DIRECTORY=/var/lib/promptd \
        --property=Type=notify /usr/bin/promptd --socket /run/promptd-own/promptd.sock
    [ "$(promptctl --socket /run/promptd-own/promptd.sock get greet)" = 'Say hello.' ]
    systemctl stop promptd-alone.service
    [ ! -e /run/promptd-own/promptd.sock ]
}
