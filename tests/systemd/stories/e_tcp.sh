# shellcheck shell=bash disable=SC2154 # variables of harness.sh
# Reading over TCP, in the sandbox of the service.

the_token=0123456789abcdef0123456789abcdef

# Prepares the token and the port of promptd-tcp.socket.
the_service_with_a_token() {
    (umask 077 && echo "$the_token" >/etc/promptd/tcp-token)
    cp /opt/promptd/systemd/drop-ins/tcp-token.conf "$drop_ins"
    ip link set lo up 2>/dev/null || true
    systemctl daemon-reload
}

# the_answer_to PATH HEADER...: asks over TCP, with the token unless told otherwise.
the_answer_to() {
    local path=$1 header
    shift
    exec 9<>/dev/tcp/127.0.0.1/9464
    {
        printf 'GET %s HTTP/1.1\r\nHost: localhost:9464\r\nConnection: close\r\n' "$path"
        for header in "$@"; do
            printf '%s\r\n' "$header"
        done
        printf '\r\n'
    } >&9
    cat <&9
    exec 9<&-
}

a_passed_tcp_socket_is_served_in_a_service_without_network() {
    the_service_with_a_token
    configure 'daemon: {tcp: {credential: tcp-token}}'
    cp /opt/promptd/systemd/promptd-tcp.socket /etc/systemd/system/
    systemctl daemon-reload
    [ -z "$(systemd-analyze verify promptd-tcp.socket 2>&1)" ]
    systemctl start promptd-tcp.socket
    # The first request over TCP starts the service.
    is_state inactive
    the_answer_to /metrics "Authorization: Bearer $the_token" >/tmp/metrics
    grep -q '^HTTP/1.1 200 ' /tmp/metrics
    grep -q '^promptd_ready 1' /tmp/metrics
    [ "$(property PrivateNetwork)" = yes ]
    the_answer_to /metrics | grep -q '^HTTP/1.1 401 '
    within 5 journal_has 'reason=no-token'
    the_answer_to /v1/prompts "Authorization: Bearer $the_token" | grep -q '^HTTP/1.1 403 '
    # The token is nowhere in the journal.
    not journal_has "$the_token"
    put greet 'Say hello.'
    systemctl stop promptd-tcp.socket promptd.service
    rm /etc/systemd/system/promptd-tcp.socket
}

a_service_that_listens_itself_needs_its_drop_in() {
    the_service_with_a_token
    configure 'daemon: {tcp: {credential: tcp-token, listen: "127.0.0.1:9464"}}'
    cp /opt/promptd/systemd/drop-ins/tcp.conf "$drop_ins"
    systemctl daemon-reload
    [ -z "$(systemd-analyze verify promptd.service 2>&1)" ]
    put greet 'Say hello.'
    the_answer_to /healthz "Authorization: Bearer $the_token" | grep -q '^HTTP/1.1 200 '
    the_answer_to /healthz | grep -q '^HTTP/1.1 401 '
}
