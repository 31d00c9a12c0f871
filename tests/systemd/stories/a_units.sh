# shellcheck shell=bash disable=SC2154 # variables of harness.sh
# The units, installing them, who may use them.

units_are_understood_and_harden_the_service() {
    local said
    said=$(systemd-analyze verify promptd.service promptd.socket 2>&1)
    [ -z "$said" ] || {
        echo "$said"
        return 1
    }
    systemd-analyze security --threshold=10 promptd.service
}

drop_ins_are_understood() {
    local said
    cp /opt/promptd/systemd/drop-ins/network.conf /opt/promptd/systemd/drop-ins/store.conf "$drop_ins"
    if (($(systemctl --version | sed -n '1s/systemd \([0-9]*\).*/\1/p') >= 254)); then
        cp /opt/promptd/systemd/drop-ins/systemd-254.conf "$drop_ins"
    fi
    systemctl daemon-reload
    said=$(systemd-analyze verify promptd.service 2>&1)
    [ -z "$said" ] || {
        echo "$said"
        return 1
    }
    put greet 'Say hello.'
    is_state active
}

enabling_the_service_enables_the_socket() {
    systemctl enable promptd.service
    [ -L /etc/systemd/system/multi-user.target.wants/promptd.service ]
    [ -L /etc/systemd/system/sockets.target.wants/promptd.socket ]
    systemctl disable promptd.service promptd.socket
}

the_first_request_finds_it_stopped() {
    is_state inactive && [ "$(stat -c '%a %U %G' "$socket")" = "660 root promptd-clients" ]
}

the_first_request() {
    the_first_request_finds_it_stopped
    put greet 'Say hello.'
}

a_first_request_starts_the_service() {
    the_first_request
    is_state active
    [ "$(property StatusText)" = serving ]
    [ "$(as_client promptctl get greet)" = 'Say hello.' ]
    [ "$(stat -c '%a %U %G' "$store")" = "750 promptd promptd" ]
}

outsiders_are_refused() {
    local code=0
    put greet 'Say hello.'
    setpriv --reuid 4343 --regid 4343 --clear-groups promptctl get greet || code=$?
    [ "$code" = 69 ]
    # Nor may they read the files.
    not setpriv --reuid 4343 --regid 4343 --clear-groups ls "$store"
}

the_sandbox_is_never_in_the_way() {
    journal_has 'Operation not permitted\|EPERM\|Permission denied'
}

nothing_that_promptd_does_is_forbidden_by_its_sandbox() {
    put greet 'Say hello.'
    put greet 'Say hello to {{name}}.'
    as_client promptctl label greet@1.0.0 production
    as_client promptctl verify
    as_client promptctl backup
    as_client promptctl rm greet@1.0.1 --yes
    as_client promptctl status
    systemctl stop promptd.service
    not the_sandbox_is_never_in_the_way
    # A stop leaves nothing half done, and the index complete.
    [ -z "$(find "$store" -path '*/.tmp/*' -type f)" ]
    grep -q greet "$store/.index.json"
}

# the_user_runs NAME COMMAND...: as that user of the host, with all groups that the host gives that user.
the_user_runs() {
    local name=$1
    shift
    setpriv --reuid "$name" --regid "$(id -g "$name")" --init-groups "$@"
}

the_users_of_the_roles() {
    getent group editors || groupadd editors
    getent passwd reader || useradd --no-create-home --groups promptd-clients reader
    getent passwd editor || useradd --no-create-home --groups promptd-clients,editors editor
}

# the_write_is_refused_to USER NAME: the user may not write that prompt, and is told so.
the_write_is_refused_to() {
    local code=0
    echo 'Not mine.' | the_user_runs "$1" promptctl --quiet put "$2" - || code=$?
    [ "$code" = 77 ]
}

role_rules_are_enforced() {
    the_users_of_the_roles
    configure '
daemon:
  access:
    default_role: read
    rules:
      - {groups: [editors], role: write, prompts: [pay_]}'
    # Root may everything.
    echo 'Say hello.' | promptctl --quiet put greet -
    [ "$(the_user_runs reader promptctl get greet)" = 'Say hello.' ]
    the_write_is_refused_to reader greet
    the_write_is_refused_to reader pay_card
    # The group is one of several that the user has, and the rule is about some prompts alone.
    echo 'Ask for the card.' | the_user_runs editor promptctl --quiet put pay_card -
    [ "$(the_user_runs reader promptctl get pay_card)" = 'Ask for the card.' ]
    the_write_is_refused_to editor greet
    within 5 journal_has 'a request is refused for want of rights'
    promptctl audit --json | grep -q "\"uid\": *$(id -u editor)"
    # New rules count for the next request, without a restart.
    local pid
    pid=$(main_pid)
    configure 'daemon: {access: {default_role: none, rules: [{users: [editor], role: write}]}}'
    systemctl reload promptd.service
    within 5 not the_user_runs reader promptctl get greet
    echo 'Say hello to {{name}}.' | the_user_runs editor promptctl --quiet put greet -
    [ "$(main_pid)" = "$pid" ]
    promptctl audit verify
}
