//! `promptctl` as other users, for tests that are run by root.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use super::Host;
use super::ctl::Output;

/// A user by numbers; no such user need exist.
#[derive(Debug, Clone, Copy)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
}

impl User {
    pub const fn new(uid: u32, gid: u32) -> Self {
        Self { uid, gid }
    }

    fn command(self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command
            .arg(format!("--reuid={}", self.uid))
            .arg(format!("--regid={}", self.gid))
            .args(["--clear-groups", "/proc/self/fd/0"])
            // Handed over open: that user may not be allowed to look into the directory in which it was built.
            .stdin(File::open(program).unwrap());
        command
    }
}

impl Host {
    /// Makes a place whose socket other users can reach; says so and returns none where nobody can become another user.
    pub fn of_many_users() -> Option<Self> {
        let mut host = Self::new();
        let somebody = User::new(61_001, 61_001);
        let is_possible = somebody
            .command(env!("CARGO_BIN_EXE_promptctl"))
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !is_possible {
            eprintln!("SKIPPED: other users: only root with setpriv (util-linux) can become one");
            return None;
        }
        std::fs::set_permissions(host.path(), Permissions::from_mode(0o755)).unwrap();
        host.set("SOCKET_MODE", "0666");
        Some(host)
    }

    /// Sets a key of the section `daemon`.
    pub fn set(&mut self, key: &str, value: &str) {
        let variable = format!("PROMPTD__DAEMON__{key}");
        self.environment.retain(|(name, _)| *name != variable);
        self.environment.push((variable, value.to_owned()));
    }

    /// Runs `promptctl` as another user.
    pub fn ctl_as(&self, user: User, arguments: &[&str]) -> Output {
        let output = user
            .command(env!("CARGO_BIN_EXE_promptctl"))
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PROMPTD_SOCKET", self.socket())
            .args(arguments)
            .output()
            .unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
