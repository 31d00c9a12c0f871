//! A service manager for one daemon: it hears what the daemon says, and passes a socket.

use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::{Daemon, Host, PATIENCE};

/// What takes the messages of a daemon.
pub struct Manager {
    heard: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    pub fn of(host: &mut Host) -> Self {
        let path = host.path().join("notify");
        let heard = UnixDatagram::bind(&path).unwrap();
        let manager = Self { heard, path };
        let socket = manager.path.display().to_string();
        host.environment.push(("NOTIFY_SOCKET".into(), socket));
        manager
    }

    /// Returns the next message; `None` when there is none for so long.
    pub fn hear_within(&self, patience: Duration) -> Option<String> {
        self.heard.set_read_timeout(Some(patience)).unwrap();
        let mut bytes = [0; 4_096];
        let length = self.heard.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    /// Waits for a message with this in it, and returns it.
    pub fn hear(&self, what: &str) -> String {
        loop {
            let message = self.hear_within(PATIENCE);
            let message = message.unwrap_or_else(|| panic!("nothing more is said, and never {what}"));
            if message.contains(what) {
                return message;
            }
        }
    }
}

impl Host {
    /// Starts the daemon with a socket that is passed to it, under a name, for the process of that number (`$$`: its own).
    pub fn spawn_with_socket(&self, listener: &impl AsFd, name: &str, process: &str) -> Daemon {
        let plain = self.command();
        let mut command = Command::new("sh");
        let script = format!(
            "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_FDNAMES={name} LISTEN_PID={process} exec \"$0\" \"$@\""
        );
        command
            .arg("-c")
            .arg(script)
            .arg(plain.get_program())
            .args(plain.get_args())
            .env_clear()
            .envs(plain.get_envs().filter_map(|(key, value)| Some((key, value?))))
            .stdin(listener.as_fd().try_clone_to_owned().unwrap())
            .stdout(std::process::Stdio::null())
            .stderr(std::fs::File::options().append(true).open(self.log()).unwrap());
        Daemon {
            child: command.spawn().unwrap(),
            socket: self.socket(),
            log: self.log(),
        }
    }
}
