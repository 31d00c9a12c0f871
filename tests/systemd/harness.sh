# shellcheck shell=bash
# What the stories have in common. Functions of stories that begin with `the_` are no stories.

socket=/run/promptd/promptd.sock
store=/var/lib/promptd/store
config=/etc/promptd/promptd.yaml
drop_ins=/etc/systemd/system/promptd.service.d
export PROMPTD_SOCKET=$socket

# Puts everything where a package would, by the commands of docs/operations.md.
install_promptd() {
    local program
    for program in promptd promptd-hang promptctl; do
        touch "/usr/bin/$program"
        mount --bind "/opt/promptd/$program" "/usr/bin/$program"
    done
    install -D -m 0644 /opt/promptd/systemd/promptd.service /opt/promptd/systemd/promptd.socket -t /lib/systemd/system
    install -D -m 0644 /opt/promptd/systemd/promptd.sysusers /usr/lib/sysusers.d/promptd.conf
    install -D -m 0644 /opt/promptd/systemd/promptd.tmpfiles /usr/lib/tmpfiles.d/promptd.conf
    install -D -m 0644 /opt/promptd/systemd/promptd.catalog /usr/lib/systemd/catalog/promptd.catalog
    systemd-sysusers promptd.conf
    systemd-tmpfiles --create promptd.conf
    journalctl --update-catalog
    install -d -m 0755 "$drop_ins" /etc/promptd
    systemctl daemon-reload
}

# Undoes that, to the last user.
uninstall_promptd() {
    local program
    systemctl stop promptd.socket promptd.service
    for program in promptd promptd-hang promptctl; do
        umount "/usr/bin/$program"
        rm "/usr/bin/$program"
    done
    rm /lib/systemd/system/promptd.service /lib/systemd/system/promptd.socket
    rm /usr/lib/sysusers.d/promptd.conf /usr/lib/tmpfiles.d/promptd.conf
    rm -rf "$drop_ins" /etc/promptd /var/lib/promptd
    systemctl daemon-reload
    userdel promptd
    groupdel promptd-clients
}

# An empty store, no drop-ins, no configuration, the socket there and the service not started.
start_afresh() {
    systemctl stop promptd.socket promptd.service
    rm -rf "$drop_ins" "$config" "$store" /srv/prompts/store /srv/prompts/ballast
    mkdir -p "$drop_ins"
    systemctl daemon-reload
    systemctl reset-failed
    systemctl start promptd.socket
    # What is said before is of no interest.
    journal_from=$(date +%s.%N)
}

# drop_in NAME LINE...: changes the unit.
drop_in() {
    local name=$1
    shift
    mkdir -p "$drop_ins"
    printf '%s\n' "$@" >"$drop_ins/$name.conf"
    systemctl daemon-reload
}

# Runs a command as somebody who may use promptd.
as_client() {
    setpriv --reuid 4242 --regid 4242 --groups "$(getent group promptd-clients | cut -d: -f3)" "$@"
}

# The watchdog of the unit is patient; a story is not.
quick_watchdog() {
    drop_in quick '[Service]' 'WatchdogSec=3s' 'TimeoutAbortSec=2s'
}

# put NAME TEXT: stores a version.
put() {
    printf '%s\n' "$2" | as_client promptctl --quiet put "$1" -
}

# Waits up to so many seconds until a command succeeds.
within() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || {
            echo "never: $*"
            return 1
        }
        sleep 0.05
    done
}

# Succeeds when a command fails. (A failing `! command` does not end a story.)
not() {
    ! "$@"
}

property() {
    systemctl show --value -p "$1" promptd.service
}

main_pid() {
    property MainPID
}

is_state() {
    [ "$(property ActiveState)" = "$1" ]
}

# Somebody else runs now, and serves.
was_replaced() {
    local now
    now=$(main_pid)
    [ "$now" != "$1" ] && [ "$now" != 0 ] && is_state active
}

status_has() {
    property StatusText | grep -q -- "$1"
}

journal() {
    journalctl --no-pager -o cat --since "@$journal_from" -u promptd.service
}

journal_has() {
    journal | grep -q -- "$1"
}

# Keeps the store on the volume at /srv/prompts.
use_volume() {
    install -d -m 0750 -o promptd -g promptd /srv/prompts/store
    mkdir -p "$drop_ins"
    cp /opt/promptd/systemd/drop-ins/store.conf "$drop_ins"
    systemctl daemon-reload
    configure '
optimizer:
  storage:
    config:
      storage_dir: /srv/prompts/store
      min_free_bytes: 1MiB'
}

configure() {
    printf '%s\n' "$1" >"$config"
}

# Nothing that writes to the volume goes on from here.
freeze() {
    fsfreeze --freeze /srv/prompts
}

thaw() {
    fsfreeze --unfreeze /srv/prompts 2>/dev/null || true
}
