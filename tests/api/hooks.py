"""Lets schemathesis talk to a Unix socket: whatever host a URL names, $PROMPTD_SOCKET is connected to."""

import os
import socket

from urllib3.util import connection


def connect(_address, timeout=None, **_options):
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    if isinstance(timeout, (int, float)):
        stream.settimeout(timeout)
    stream.connect(os.environ["PROMPTD_SOCKET"])
    return stream


connection.create_connection = connect
# Options of TCP mean nothing to a Unix socket.
connection._set_socket_options = lambda _stream, _options: None
