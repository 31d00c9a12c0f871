# shellcheck shell=bash disable=SC2154 # variables of harness.sh and package.sh
# The Debian package: installing, upgrading under load, removing, purging.

installing_the_package_makes_the_user_and_the_first_request_starts_the_service() {
    use_packages
    install_package
    has_status ii
    [ "$(getent passwd promptd | cut -d: -f6,7)" = /var/lib/promptd:/usr/sbin/nologin ]
    getent group promptd-clients
    [ "$(stat -c '%a %U %G' /var/lib/promptd)" = '750 promptd promptd' ]
    [ -L "$wants/sockets.target.wants/promptd.socket" ]
    [ -L "$wants/multi-user.target.wants/promptd.service" ]
    socket_is_active
    # There is time to configure what a store keeps for ever.
    is_state inactive
    [ ! -e "$store" ]
    promptd --config "$config" --check-config
    put greet 'Say hello.'
    is_state active
    runs_what_is_installed
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
    [ -z "$(systemd-analyze verify promptd.service promptd.socket 2>&1)" ]
}

the_completion_of() {
    bash -c "source /usr/share/bash-completion/completions/promptctl
        COMP_WORDS=(promptctl $1 '$2') COMP_CWORD=2 COMP_LINE='promptctl $1 $2' COMP_POINT=${#3}
        _promptctl_names promptctl '$2' $1
        printf '%s\n' \"\${COMPREPLY[@]}\""
}

the_package_documents_itself() {
    local name
    for name in promptctl.1 promptctl-get.1 promptd.yaml.5 promptd.8; do
        gzip --test "/usr/share/man/man${name##*.}/$name.gz"
    done
    [ -s /usr/share/doc/promptd/operations.md ]
    [ -s /usr/share/doc/promptd/copyright ]
    [ -s /usr/share/doc/promptd/changelog.gz ]
    [ -s /usr/share/doc/promptd/examples/promptd.rules.yml ]
    [ -s /usr/share/doc/promptd/examples/drop-ins/network.conf ]
    # What the unit calls its documentation is there.
    [ -e "$(systemctl show --value -p Documentation promptd.service | sed 's,^file://,,')" ]
}

manual_pages_completions_and_examples_come_with_the_package() {
    use_packages
    install_package
    the_package_documents_itself
    [ -s /usr/share/zsh/vendor-completions/_promptctl ]
    [ -s /usr/share/fish/vendor_completions.d/promptctl.fish ]
    put greet 'Say hello.'
    the_completion_of get gr 'promptctl get gr' | grep -qx greet
    ! command -v man || man --where promptctl
}

the_client_that_writes() {
    local n=0
    while [ ! -e /tmp/enough ]; do
        n=$((n + 1))
        if put "load-$1-$((n % 5))" "Text $1 $n."; then
            echo "Text $1 $n." >>/tmp/acknowledged
        else
            echo "write $1 $n" >>/tmp/failed
        fi
        [ "$(as_client promptctl get greet)" = 'Say hello.' ] || echo "read $1 $n" >>/tmp/failed
    done
}

the_clients_begin() {
    rm -f /tmp/enough /tmp/acknowledged /tmp/failed
    local number
    clients=()
    for number in 1 2 3 4; do
        (
            set +e
            the_client_that_writes "$number"
        ) &
        clients+=($!)
    done
}

the_clients_have_written() {
    [ -e /tmp/acknowledged ] && [ "$(wc -l </tmp/acknowledged)" -ge "$1" ]
}

an_upgrade_under_load_loses_no_request() {
    use_packages
    install_package
    put greet 'Say hello.'
    local pid version clients count=0 since
    since=$(date +%s.%N)
    the_clients_begin
    # Up, and down again: the disk format is the same.
    for version in 9.0-1 0.0.9-1; do
        count=$((count + 20))
        within 30 the_clients_have_written "$count"
        pid=$(main_pid)
        newer_package "$version"
        install_package /tmp/newer.deb
        [ "$(installed_version)" = "$version" ]
        [ "$(main_pid)" != "$pid" ]
        is_state active
        runs_what_is_installed
        [ "$(systemctl show --value -p Description promptd.service)" = "promptd $version" ]
    done
    within 30 the_clients_have_written $((count + 20))
    touch /tmp/enough
    wait "${clients[@]}"
    echo "acknowledged: $(wc -l </tmp/acknowledged)"
    [ ! -e /tmp/failed ] || {
        cat /tmp/failed
        return 1
    }
    # The service did not end by itself, and the socket was there all the time.
    [ "$(property NRestarts)" = 0 ]
    not grep -q 'Deactivated\|Closed' <(journalctl --no-pager -o cat --since "@$since" -u promptd.socket)
    as_client promptctl export - | grep -o 'Text [0-9]* [0-9]*[.]' | sort -u >/tmp/stored
    sort /tmp/acknowledged | comm -23 - /tmp/stored >/tmp/lost
    diff /dev/null /tmp/lost
    as_client promptctl verify
}

an_upgrade_keeps_what_the_administrator_changed() {
    use_packages
    install_package
    configure 'daemon: {limits: {max_requests_in_flight: 7}}'
    drop_in limit '[Service]' 'LimitNOFILE=4096'
    # The socket goes with it.
    systemctl disable --quiet promptd.service
    put greet 'Say hello.'
    newer_package 9.0-1
    install_package /tmp/newer.deb
    [ "$(cat "$config")" = 'daemon: {limits: {max_requests_in_flight: 7}}' ]
    [ "$(property LimitNOFILE)" = 4096 ]
    as_client promptctl status --json | grep -q '"max_requests_in_flight": *7,'
    # What was disabled stays so, and what runs is replaced all the same.
    [ -z "$(find "$wants" -name 'promptd.s*' -type l)" ]
    runs_what_is_installed
    socket_is_active
}

an_upgrade_leaves_a_stopped_service_alone() {
    use_packages
    install_package
    newer_package 9.0-1
    install_package /tmp/newer.deb
    is_state inactive
    socket_is_active
    [ ! -e "$store" ]
}

a_version_that_refuses_the_configuration_does_not_take_over() {
    use_packages
    install_package
    put greet 'Say hello.'
    local pid
    pid=$(main_pid)
    configure 'daemon: {limits: {max_requests_in_flight: many}}'
    newer_package 9.0-1
    install_package /tmp/newer.deb >/tmp/said 2>&1
    grep -q max_requests_in_flight /tmp/said
    grep -q 'the version before goes on serving' /tmp/said
    has_status ii
    [ "$(main_pid)" = "$pid" ]
    put greet 'Say hello to {{name}}.'
    # As the message says.
    configure ''
    systemctl restart promptd.service
    runs_what_is_installed
    [ "$(as_client promptctl get greet@1.0.0)" = 'Say hello.' ]
}

a_removed_package_leaves_the_store_to_the_next_installation() {
    use_packages
    install_package
    configure 'daemon: {limits: {max_requests_in_flight: 7}}'
    put greet 'Say hello.'
    dpkg --remove promptd
    has_status rc
    # Nothing of it runs or can be started.
    [ ! -e "$socket" ]
    [ ! -e /usr/bin/promptd ]
    [ "$(systemctl show --value -p LoadState promptd.service)" = not-found ]
    not pgrep -x promptd
    # Work, configuration and user stay.
    grep -rq 'Say hello.' "$store"
    getent passwd promptd
    grep -q max_requests_in_flight "$config"
    install_package
    socket_is_active
    is_state inactive
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
    as_client promptctl status --json | grep -q '"max_requests_in_flight": *7,'
    as_client promptctl verify
}

a_purge_keeps_the_store_and_says_where_it_is() {
    use_packages
    install_package
    put greet 'Say hello.'
    dpkg --purge promptd >/tmp/said 2>&1
    grep -q 'kept in /var/lib/promptd' /tmp/said
    not has_status rc
    [ ! -e /etc/promptd ]
    [ -z "$(find "$wants" -name 'promptd.*')" ]
    grep -rq 'Say hello.' "$store"
    install_package
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
    # Where nobody wrote anything nothing is left.
    systemctl stop promptd.socket promptd.service
    rm -rf "$store"
    dpkg --purge promptd >/tmp/said 2>&1
    not grep -q kept /tmp/said
    [ ! -e /var/lib/promptd ]
}

the_host_without_systemd() {
    # What tells a running systemd is not there, and so are its sockets.
    mount -t tmpfs tmpfs /run/systemd
    "$@"
}

a_host_that_does_not_run_systemd_takes_the_package() {
    use_packages
    export package
    unshare --mount bash -ec "
        $(declare -f the_host_without_systemd install_package)
        the_host_without_systemd install_package"
    has_status ii
    getent passwd promptd
    [ "$(stat -c '%a %U %G' /var/lib/promptd)" = '750 promptd promptd' ]
    # Enabled for the day it boots one, and not started.
    [ -L "$wants/sockets.target.wants/promptd.socket" ]
    not socket_is_active
    # It serves all the same.
    install -d -o promptd -g promptd /run/promptd-own
    setpriv --reuid promptd --regid promptd --clear-groups env STATE_DIRECTORY=/var/lib/promptd \
        promptd --socket /run/promptd-own/promptd.sock 2>/tmp/own.log &
    within 10 test -S /run/promptd-own/promptd.sock
    echo 'Say hello.' | promptctl --socket /run/promptd-own/promptd.sock --quiet put greet -
    kill $!
    wait $!
    unshare --mount bash -ec "
        $(declare -f the_host_without_systemd)
        the_host_without_systemd dpkg --remove promptd"
    has_status rc
}

a_host_that_forbids_starts_is_obeyed() {
    use_packages
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
    install_package
    has_status ii
    not socket_is_active
    [ ! -e "$socket" ]
    [ -L "$wants/sockets.target.wants/promptd.socket" ]
}

a_store_is_moved_by_the_commands_of_the_manual() {
    use_packages
    install_package
    put greet 'Say hello.'
    as_client promptctl backup
    configure 'optimizer: {storage: {config: {storage_dir: /srv/prompts/store, min_free_bytes: 1MiB}}}'
    commands_of_the_manual '**To another directory,**' >/tmp/move
    grep -q 'cp -a' /tmp/move
    bash -ex /tmp/move
    rm -r "$store" /var/lib/promptd/backups
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
    as_client promptctl status --json | grep -q '"/srv/prompts/store"'
    put greet 'Say hello to {{name}}.'
    as_client promptctl backup
    # The one from before came along.
    [ "$(find /srv/prompts/backups/default -mindepth 1 -maxdepth 1 -name '2*' | wc -l)" = 2 ]
    grep -rq 'Say hello to' /srv/prompts/store
}
