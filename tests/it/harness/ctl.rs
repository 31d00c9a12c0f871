//! Running `promptctl` as a user would.

use std::io::Write;
use std::process::{Command, Stdio};

use super::Host;

/// What a command said and how it ended.
#[derive(Debug)]
#[must_use = "look at what the command said, or at how it ended"]
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Host {
    /// Runs `promptctl` against this host's socket.
    pub fn ctl(&self, arguments: &[&str]) -> Output {
        self.ctl_with(arguments, "", &[])
    }

    /// Runs `promptctl` with something on standard input and more environment.
    pub fn ctl_with(&self, arguments: &[&str], stdin: &str, environment: &[(&str, &str)]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_promptctl"))
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PROMPTD_SOCKET", self.socket())
            .envs(environment.iter().copied())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that does not read its input may be gone already.
        let _unread = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Output {
    /// Returns what was printed, after checking that the command succeeded.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// Returns what was complained about, after checking the exit status.
    #[track_caller]
    pub fn failure(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.stderr
    }
}
