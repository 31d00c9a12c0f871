//! A daemon that runs as a user whom file modes bind, for tests that are run by root.

use std::fs::File;
use std::os::unix::fs::chown;
use std::process::{Command, Stdio};

use super::Host;

const NOBODY: u32 = 65_534;

/// Returns a command for the daemon as another user. The program is handed over open, since that user may not be allowed to
/// look into the directory in which it was built.
pub(super) fn command() -> Command {
    let mut command = Command::new("setpriv");
    command
        .args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "/proc/self/fd/0",
        ])
        .stdin(File::open(env!("CARGO_BIN_EXE_promptd")).unwrap());
    command
}

impl Host {
    /// Makes a place for daemons that run as nobody; says so and returns none where that cannot be.
    pub fn of_nobody() -> Option<Self> {
        let mut host = Self::new();
        let is_possible = chown(host.path(), Some(NOBODY), Some(NOBODY)).is_ok()
            && command()
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success());
        if !is_possible {
            eprintln!(
                "SKIPPED: modes that forbid: only root with setpriv (util-linux) can become a user whom they bind"
            );
            return None;
        }
        host.is_nobody = true;
        Some(host)
    }
}
