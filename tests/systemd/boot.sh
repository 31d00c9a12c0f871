#!/usr/bin/env bash
# Runs a command under a systemd of its own: PID 1 of new namespaces, on an overlay of this machine's root. Nothing that is
# done there reaches the machine.
#
#   tests/systemd/boot.sh [--bind-ro DIR:PLACE]... [--ext4 SIZE:PLACE]... [--journal FILE] COMMAND [ARGUMENT...]
#
#   --bind-ro DIR:PLACE  shows a directory of this machine there, read-only
#   --ext4 SIZE:PLACE    mounts a fresh ext4 there, on a loop device: real fsync, a disk that fills up, a disk that hangs
#   --journal FILE       keeps the journal
#
# Ends with the exit code of the command, or with 77 and the reason where this cannot be done. Needs root, namespaces,
# overlayfs, cgroup v2, and systemd and dbus as programs.
set -u

self=$(readlink -f "$0")
name=promptd-systemd
# What no service needs, and what reaches past the namespaces.
capabilities=-sys_module,-sys_time,-sys_boot,-sys_rawio,-syslog,-mac_admin,-mac_override,-wake_alarm,-block_suspend,-sys_pacct
# How long systemd may take to come up, in seconds.
boot_patience=30

# ---- inside: PID 1 of the new namespaces makes its root and becomes systemd -----------------------------------------------

mount_proc_and_sys() {
    mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
    # The settings of the kernel are those of the machine.
    local part
    for part in sys sysrq-trigger irq bus; do
        [ -e "$root/proc/$part" ] || continue
        mount --bind "$root/proc/$part" "$root/proc/$part"
        mount -o remount,bind,ro,nosuid,nodev,noexec "$root/proc/$part"
    done
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
    if [ -z "$PROMPTD_CGROUP_V1" ]; then
        mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
        return
    fi
    mount -t tmpfs -o mode=755,nosuid,nodev,noexec tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/unified" "$root/sys/fs/cgroup/systemd"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup/unified"
    mount -t cgroup -o nosuid,nodev,noexec,none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    for part in $PROMPTD_CGROUP_V1; do
        mkdir "$root/sys/fs/cgroup/$part"
        mount -t cgroup -o "nosuid,nodev,noexec,$part" cgroup "$root/sys/fs/cgroup/$part"
    done
    mount -o remount,ro,mode=755,nosuid,nodev,noexec "$root/sys/fs/cgroup"
}

mount_dev_and_run() {
    mount -t tmpfs -o mode=755,nosuid,strictatime tmpfs "$root/dev"
    local node
    for node in null zero full random urandom tty; do
        touch "$root/dev/$node"
        mount --bind "/dev/$node" "$root/dev/$node"
    done
    mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
    mount -t devpts -o newinstance,mode=620,gid=5,ptmxmode=666,nosuid,noexec devpts "$root/dev/pts"
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    # A plain file: what PID 1 says before there is a journal.
    touch "$root/dev/kmsg"
    mount --bind "$work/kmsg" "$root/dev/kmsg"
    ln -s /proc/self/fd "$root/dev/fd"
    ln -s fd/0 "$root/dev/stdin"
    ln -s fd/1 "$root/dev/stdout"
    ln -s fd/2 "$root/dev/stderr"
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root/run"
    mkdir "$root/run/lock"
}

# No unit of this machine starts but the journal, D-Bus, users and temporary files.
choose_units() {
    local units=$root/lib/systemd/system own=$root/etc/systemd/system unit
    rm -rf "$own"/*.wants "$own"/*.requires
    find "$units/sysinit.target.wants" -type l ! -name systemd-journald.service \
        ! -name systemd-tmpfiles-setup.service ! -name systemd-sysusers.service -delete
    find "$units/sockets.target.wants" -type l ! -name 'systemd-journald*.socket' ! -name dbus.socket -delete
    find "$units/multi-user.target.wants" -type l ! -name dbus.service -delete
    for unit in local-fs.target.wants timers.target.wants graphical.target.wants; do
        [ ! -d "$units/$unit" ] || find "$units/$unit" -type l -delete
    done
    rm -f "$units/sockets.target.wants/systemd-journald-audit.socket"
    ln -sfn /lib/systemd/system/multi-user.target "$own/default.target"
    for unit in systemd-journald-audit.socket systemd-udevd.service systemd-sysctl.service \
        systemd-timesyncd.service systemd-modules-load.service systemd-logind.service tmp.mount; do
        ln -sfn /dev/null "$own/$unit"
    done
    mkdir -p "$own/systemd-tmpfiles-setup.service.d" "$root/etc/tmpfiles.d" \
        "$root/etc/systemd/journald.conf.d" "$root/etc/systemd/system.conf.d"
    printf '[Service]\nExecStart=\nExecStart=systemd-tmpfiles --create --boot --exclude-prefix=/dev\n' \
        >"$own/systemd-tmpfiles-setup.service.d/00-$name.conf"
    printf 'q /tmp 1777 root root -\nq /var/tmp 1777 root root -\n' >"$root/etc/tmpfiles.d/tmp.conf"
    printf '[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nRateLimitIntervalSec=0\nForwardToSyslog=no\nForwardToWall=no\n' \
        >"$root/etc/systemd/journald.conf.d/00-$name.conf"
    echo "$name" >"$root/etc/hostname"
    : >"$root/etc/fstab"
    tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
}

mount_wished() {
    local kind from place count=0
    while IFS=$'\t' read -r kind from place; do
        [ -n "$kind" ] || continue
        mkdir -p "$root$place"
        if [ "$kind" = ext4 ]; then
            count=$((count + 1))
            truncate -s "$from" "$work/ext4.$count"
            mkfs.ext4 -q -F -m 0 "$work/ext4.$count"
            mount -o loop,nosuid,nodev "$work/ext4.$count" "$root$place"
        else
            mount --rbind "$from" "$root$place"
            mount -o remount,bind,ro "$root$place"
        fi
    done <<<"$PROMPTD_MOUNTS"
}

if [ "${1-}" = --inside ]; then
    set -e
    work=$2
    mount --make-rprivate /
    # /proc is still that of the machine, so this is our number there.
    read -r pid _ </proc/self/stat
    echo "$pid" >"$work/pid.new"
    mv "$work/pid.new" "$work/pid"
    mkdir "$work/overlay"
    mount -t tmpfs -o mode=755,size=1g tmpfs "$work/overlay"
    root=$work/overlay/root
    mkdir "$work/overlay/upper" "$work/overlay/work" "$root" "$work/overlay/lower"
    # The root alone, without what is mounted in it, so that the overlay does not see itself.
    mount --bind / "$work/overlay/lower"
    mount -t overlay overlay -o "lowerdir=$work/overlay/lower,upperdir=$work/overlay/upper,workdir=$work/overlay/work" "$root"
    umount "$work/overlay/lower"
    mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run"
    mount_proc_and_sys
    mount_dev_and_run
    choose_units
    mount_wished
    cd "$root"
    mkdir run/.old
    pivot_root . run/.old
    umount -l /run/.old
    rmdir /run/.old
    # As on a machine that booted; credentials and namespaces of services want it.
    mount --make-rshared /
    exec setpriv --bounding-set "$capabilities" --inh-caps "$capabilities" -- env -i container=other LANG=C.UTF-8 TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        /lib/systemd/systemd --system --log-target=journal-or-kmsg --show-status=no </dev/null
fi

# ---- outside --------------------------------------------------------------------------------------------------------------

skip() {
    printf 'skipped: %s\n' "$*" >&2
    exit 77
}

mounts='' journal=''
while [ $# -gt 0 ]; do
    case $1 in
    --bind-ro | --ext4)
        mounts+="${1#--}"$'\t'"${2%%:*}"$'\t'"${2#*:}"$'\n'
        shift 2
        ;;
    --journal)
        journal=$2
        shift 2
        ;;
    *) break ;;
    esac
done
[ $# -gt 0 ] || {
    printf 'no command\n' >&2
    exit 2
}

[ "$(id -u)" = 0 ] || skip "a systemd of one's own needs root"
for program in unshare setpriv pivot_root nsenter dbus-daemon mkfs.ext4 /lib/systemd/systemd; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done
grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || true
grep -qw overlay /proc/filesystems || skip "the kernel has no overlayfs"
unshare --mount --pid --uts --ipc --net --cgroup --fork true 2>/dev/null || skip "namespaces cannot be made here"

# mounted TYPE OPTION: where a whole cgroup hierarchy is mounted.
mounted() {
    awk -v type="$1" -v option="$2" '{
        split($0, half, " - "); split(half[1], left, " "); split(half[2], right, " ")
        if (right[1] == type && (option == "" || ("," right[3] ",") ~ ("," option ",")) && left[4] == "/") { print left[5]; exit }
    }' /proc/self/mountinfo
}
unified=$(mounted cgroup2 '')
if [ -z "$unified" ] || [ ! -w "$unified/cgroup.procs" ]; then
    skip "no cgroup v2 hierarchy can be written"
fi
controllers=''
if [ "$unified" != /sys/fs/cgroup ] && [ -n "$(mounted cgroup name=systemd)" ]; then
    for controller in cpu cpuacct blkio memory devices pids; do
        place=$(mounted cgroup "$controller")
        [ -z "$place" ] || [ ! -w "$place/cgroup.procs" ] || controllers+="${controllers:+ }$controller"
    done
fi
own=$name-$$
# Where the processes go: a group below ours, since a group that hands controllers on may have none.
groups=("$unified/$own/payload")
made=("$unified/$own" "$unified/$own/payload")
for controller in ${controllers:+name=systemd $controllers}; do
    groups+=("$(mounted cgroup "$controller")/$own")
    made+=("$(mounted cgroup "$controller")/$own")
done

work='' namespace='' init=''
lives() { [ -n "$1" ] && kill -0 "$1" 2>/dev/null; }
enter() { nsenter -t "$init" -m -u -i -n -p -C -r -w -- "$@"; }
clean_up() {
    trap '' INT TERM HUP
    if lives "$init"; then
        [ -z "$journal" ] || timeout 30 nsenter -t "$init" -m -u -i -n -p -C -r -w -- journalctl --no-pager -o short-precise >"$journal" 2>/dev/null
        # poweroff.target
        kill -s RTMIN+4 "$init" 2>/dev/null
        for _ in $(seq 100); do
            lives "$init" || break
            sleep 0.1
        done
        kill -KILL "$init" 2>/dev/null
    fi
    [ -z "$namespace" ] || wait "$namespace" 2>/dev/null
    local group
    for group in "${made[@]}"; do
        for _ in $(seq 10); do
            [ -d "$group" ] || break
            find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
            [ ! -d "$group" ] || sleep 0.1
        done
    done
    [ -z "$work" ] || rm -rf --one-file-system "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

work=$(mktemp -d "${TMPDIR:-/tmp}/$name.XXXXXX") || skip "no temporary directory"
: >"$work/kmsg"
for group in "${made[@]}"; do
    mkdir "$group" 2>/dev/null || skip "the cgroup $group cannot be made"
done
while read -r controller; do
    echo "+$controller" >"$unified/$own/cgroup.subtree_control" 2>/dev/null
done < <(tr ' ' '\n' <"$unified/$own/cgroup.controllers")
export PROMPTD_CGROUP_V1=$controllers PROMPTD_MOUNTS=$mounts
(
    for group in "${groups[@]}"; do
        echo "$BASHPID" >"$group/cgroup.procs" || exit 99
    done
    # Whatever ends this script ends all that is in there.
    exec setpriv --pdeathsig KILL unshare --mount --pid --uts --ipc --cgroup --net --fork --kill-child=KILL \
        bash "$self" --inside "$work"
) </dev/null >"$work/console" 2>&1 &
namespace=$!

failure=''
deadline=$((SECONDS + boot_patience))
while :; do
    lives "$namespace" || failure="systemd ended while it started"
    [ -n "$init" ] || [ ! -s "$work/pid" ] || read -r init <"$work/pid"
    if [ -n "$init" ] && [ "$(readlink "/proc/$init/exe")" != "$(readlink -f /bin/bash)" ]; then
        case $(timeout 5 nsenter -t "$init" -m -u -i -n -p -C -r -w -- systemctl is-system-running 2>/dev/null) in
        running | degraded) break ;;
        esac
    fi
    ((SECONDS < deadline)) || failure="systemd was not up within $boot_patience s"
    if [ -n "$failure" ]; then
        tail -n 40 "$work/console" "$work/kmsg" >&2
        skip "$failure"
    fi
    sleep 0.05
done

enter env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root \
    SYSTEMD_PAGER= SYSTEMD_COLORS=0 sh -c 'cd / && exec "$@"' sh "$@" &
wait $!
