//! The sockets that a service manager opened for this process (`LISTEN_FDS`).

use std::io;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// The name under which the socket of the API is passed (`FileDescriptorName=` of promptd.socket).
pub const CONTROL_SOCKET: &str = "control";

/// A socket that was passed. Its file belongs to whoever passed it and is never removed here.
#[derive(Debug)]
pub struct PassedSocket {
    /// The socket, listening and non-blocking.
    pub listener: UnixListener,
    /// Where clients find it.
    pub path: PathBuf,
}

/// Takes the socket of the API, when one was passed to this very process. To be called before there are other threads:
/// the variables are removed from the environment.
///
/// Sockets are told apart by their names, since others may come along. Those that promptd does not know are returned by
/// name and left alone.
///
/// # Errors
/// When what is named so is no listening Unix socket.
pub fn take_passed_socket() -> io::Result<(Option<PassedSocket>, Vec<String>)> {
    // Looks at LISTEN_PID, so that sockets of another process are not taken for ours. Asked before the names: those of
    // another process are not as many as sockets of ours.
    if sd_notify::listen_fds()?.len() == 0 {
        return Ok((None, Vec::new()));
    }
    let names: Vec<String> = sd_notify::listen_fds_with_names()?
        .map(|(_, name)| name)
        .collect();
    let mut passed = listenfd::ListenFd::from_env();
    let position = names.iter().position(|name| name == CONTROL_SOCKET);
    let listener = match position {
        Some(position) => passed.take_unix_listener(position)?,
        None => None,
    };
    let others = names.into_iter().filter(|name| name != CONTROL_SOCKET).collect();
    let socket = listener.map(PassedSocket::new).transpose()?;
    Ok((socket, others))
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
