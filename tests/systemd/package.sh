# shellcheck shell=bash disable=SC2154 # variables of harness.sh
# What the stories of the Debian package have in common.

package=/opt/promptd/promptd.deb
wants=/etc/systemd/system

# Takes away what was installed by hand, as on a host that has never seen promptd. Afterwards it is there again.
use_packages() {
    [ -e "$package" ] || {
        echo 'cargo-deb is not installed'
        exit 77
    }
    trap give_back EXIT
    uninstall_promptd
    # Images of containers have one that forbids every start.
    rm -f /usr/sbin/policy-rc.d
    # The index of manual pages takes long, and nobody looks at it.
    rm -f /var/lib/man-db/auto-update
}

give_back() {
    {
        dpkg --purge promptd
        rm -rf /var/lib/promptd /srv/prompts/backups /etc/promptd /tmp/newer /tmp/newer.deb /usr/sbin/policy-rc.d "$wants"/*.wants/promptd.*
        userdel promptd
        groupdel promptd-clients
        install_promptd
    } >/dev/null 2>&1
}

# Keeps what the administrator changed, as apt does when nobody can be asked.
install_package() {
    dpkg --force-confold --install "${1-$package}"
}

# newer_package VERSION: makes /tmp/newer.deb of the package: another version, with a changed unit and configuration.
newer_package() {
    rm -rf /tmp/newer /tmp/newer.deb
    dpkg-deb --raw-extract "$package" /tmp/newer
    sed -i "s/^Version: .*/Version: $1/" /tmp/newer/DEBIAN/control
    sed -i "s/^Description=.*/Description=promptd $1/" /tmp/newer/usr/lib/systemd/system/promptd.service
    echo "# Of $1." >>/tmp/newer/etc/promptd/promptd.yaml
    rm -f /tmp/newer/DEBIAN/md5sums
    dpkg-deb --root-owner-group -Znone --build /tmp/newer /tmp/newer.deb
    rm -rf /tmp/newer
}

# commands_of_the_manual WORDS: prints the first block of commands after these words in docs/operations.md.
commands_of_the_manual() {
    awk -v words="$1" 'index($0, words) { found = 1 }
        inside && /^```$/ { exit }
        inside { print }
        found && /^```sh$/ { inside = 1 }' /opt/promptd/operations.md
}

installed_version() {
    dpkg-query --show --showformat '${Version}' promptd
}

has_status() {
    [ "$(dpkg-query --show --showformat '${db:Status-Abbrev}' promptd)" = "$1 " ]
}

# The program that runs is the one that is installed.
runs_what_is_installed() {
    [ "$(stat -L -c %i "/proc/$(main_pid)/exe")" = "$(stat -c %i /usr/bin/promptd)" ]
}

socket_is_active() {
    [ "$(systemctl show --value -p ActiveState promptd.socket)" = active ]
}
