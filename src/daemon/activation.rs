//! The sockets that a service manager opened for this process (`LISTEN_FDS`).

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// The name under which the socket of the API is passed (`FileDescriptorName=` of promptd.socket).
pub const CONTROL_SOCKET: &str = "control";

/// The name under which a TCP socket is passed, for what is served over TCP.
pub const TCP_SOCKET: &str = "promptd-tcp";

/// A socket that was passed. Its file belongs to whoever passed it and is never removed here.
#[derive(Debug)]
pub struct PassedSocket {
    /// The socket, listening and non-blocking.
    pub listener: UnixListener,
    /// Where clients find it.
    pub path: PathBuf,
}

/// The sockets that were passed.
#[derive(Debug, Default)]
pub struct PassedSockets {
    /// The socket of the API.
    pub control: Option<PassedSocket>,
    /// A TCP socket, listening.
    pub tcp: Option<TcpListener>,
    /// The names of others. They are left alone.
    pub strangers: Vec<String>,
}

/// Takes the sockets of promptd, when some were passed to this very process. To be called before there are other threads:
/// the variables are removed from the environment.
///
/// Sockets are told apart by their names, since others may come along.
///
/// # Errors
/// When what is named so is no listening socket of its kind.
pub fn take_passed_sockets() -> io::Result<PassedSockets> {
    // Looks at LISTEN_PID, so that sockets of another process are not taken for ours. Asked before the names: those of
    // another process are not as many as sockets of ours.
    if sd_notify::listen_fds()?.len() == 0 {
        return Ok(PassedSockets::default());
    }
    let names: Vec<String> = sd_notify::listen_fds_with_names()?
        .map(|(_, name)| name)
        .collect();
    let mut passed = listenfd::ListenFd::from_env();
    let position = |wanted: &str| names.iter().position(|name| name == wanted);
    let control = match position(CONTROL_SOCKET) {
        Some(position) => passed.take_unix_listener(position)?,
        None => None,
    };
    let tcp = match position(TCP_SOCKET) {
        Some(position) => passed.take_tcp_listener(position)?,
        None => None,
    };
    let control = control.map(PassedSocket::new).transpose()?;
    let is_known = |name: &String| [CONTROL_SOCKET, TCP_SOCKET].contains(&name.as_str());
    Ok(PassedSockets {
        control,
        tcp,
        strangers: names.iter().filter(|name| !is_known(name)).cloned().collect(),
    })
}

impl PassedSocket {
    fn new(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let path = address
            .as_pathname()
            .map_or_else(|| PathBuf::from("a socket without a path"), PathBuf::from);
        Ok(Self { listener, path })
    }
}
