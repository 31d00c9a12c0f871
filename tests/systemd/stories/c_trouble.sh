# shellcheck shell=bash disable=SC2154 # variables of harness.sh
# What hangs, what fills up, what cannot start.

a_process_that_stands_still_is_replaced() {
    quick_watchdog
    put greet 'Say hello.'
    local pid
    pid=$(main_pid)
    kill -STOP "$pid"
    within 20 was_replaced "$pid"
    journal_has 'Watchdog timeout'
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
}

the_program_that_hangs_when_told_to() {
    quick_watchdog
    drop_in hang '[Service]' 'ExecStart=' 'ExecStart=/usr/bin/promptd-hang' 'ExecPaths=/usr/bin/promptd-hang'
}

an_actor_that_hangs_is_replaced_and_the_process_stays() {
    the_program_that_hangs_when_told_to
    put greet 'Say hello.'
    local pid code=0
    pid=$(main_pid)
    put hang.once 'Never acknowledged.' || code=$?
    [ "$code" = 75 ]
    journal_has 'an actor does not answer: another one is started in its place'
    within 10 put hang.once 'Acknowledged.'
    [ "$(as_client promptctl get hang.once)" = 'Acknowledged.' ]
    within 10 status_has '^serving$'
    [ "$(main_pid)" = "$pid" ]
}

actors_that_go_on_hanging_have_the_process_replaced() {
    the_program_that_hangs_when_told_to
    put greet 'Say hello.'
    local pid
    pid=$(main_pid)
    not put hang.always 'Never acknowledged.'
    within 30 was_replaced "$pid"
    journal_has 'only a restart helps'
    journal_has 'Watchdog timeout'
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
}

a_disk_that_hangs_is_reported_and_nobody_is_restarted() {
    quick_watchdog
    use_volume
    put greet 'Say hello.'
    local pid
    pid=$(main_pid)
    freeze
    put greet 'Say hello to {{name}}.' >/tmp/waiting.log 2>&1 &
    local client=$!
    within 20 status_has 'degraded: .*disk'
    # Longer than WatchdogSec=: the process is not to blame.
    sleep 5
    [ "$(main_pid)" = "$pid" ]
    [ "$(as_client promptctl get greet@1.0.0)" = 'Say hello.' ]
    not journal_has 'is started again'
    thaw
    wait "$client" || true
    within 10 status_has '^serving$'
    put greet 'Say goodbye.'
    [ "$(main_pid)" = "$pid" ]
    [ "$(property NRestarts)" = 0 ]
}

a_full_disk_refuses_writes_and_takes_them_again() {
    quick_watchdog
    use_volume
    put greet 'Say hello.'
    local said
    # Root may take the last block; promptd is to keep its reserve.
    fallocate -l "$(($(df --output=avail -B1 /srv/prompts | tail -1) - 500000))" /srv/prompts/ballast
    said=$(put greet 'Say hello to {{name}}.' 2>&1) && return 1
    [[ $said == *full* ]]
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
    within 10 status_has 'degraded: the disk is full'
    is_state active
    rm /srv/prompts/ballast
    within 10 put greet 'Say hello to {{name}}.' 2>/dev/null
    within 10 status_has '^serving$'
    as_client promptctl verify
}

the_socket_is() {
    [ "$(systemctl show --value -p ActiveState promptd.socket)" = "$1" ]
}

a_service_that_cannot_start_gives_up_and_comes_back_by_the_documented_commands() {
    local n
    put greet 'Say hello.'
    systemctl stop promptd.service
    configure 'daemon: {limits: {max_connections: none}}'
    for n in $(seq 12); do
        as_client timeout 5 promptctl get greet || true
        the_socket_is active || break
    done
    echo "after $n requests"
    within 5 the_socket_is failed
    [ ! -e "$socket" ]
    journal_has 'max_connections'
    # As docs/operations.md has it.
    rm "$config"
    grep -q 'systemctl reset-failed promptd.service promptd.socket' /opt/promptd/operations.md
    systemctl reset-failed promptd.service promptd.socket
    systemctl start promptd.socket
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
}

damage_in_the_store_never_keeps_it_from_starting() {
    put greet 'Say hello.'
    put bye 'Say goodbye.'
    local file
    file=$(find "$store" -name 1.0.0.json -path '*/greet/*')
    kill -KILL "$(main_pid)"
    echo '{' >"$file"
    [ "$(as_client promptctl get bye)" = 'Say goodbye.' ]
    is_state active
}
