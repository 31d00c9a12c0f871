//! A promptd of one's own, on a temporary store.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::cli::environment::Environment;
use crate::cli::exit::CliError;
use crate::cli::files;
use crate::client::{Client, Readiness};

/// How long the daemon may take to be ready, or to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at.
const PAUSE: Duration = Duration::from_millis(10);

/// A directory with a store, and the daemon that serves it. Both go when this goes.
#[derive(Debug)]
pub(super) struct PrivateDaemon {
    program: PathBuf,
    directory: TempDir,
    child: Option<Child>,
}

impl PrivateDaemon {
    /// Prepares a directory; starts nothing yet.
    pub(super) fn prepare(env: &Environment) -> Result<Self, CliError> {
        let program = env
            .executable
            .as_deref()
            .and_then(Path::parent)
            .map(|beside| beside.join("promptd"));
        let program = program
            .filter(|program| files::is_program(program))
            .ok_or_else(|| {
                CliError::failure("there is no promptd beside this promptctl to show")
                    .hint("install both programs into the same directory")
            })?;
        let directory = tempfile::Builder::new()
            .prefix("promptd-demo-")
            .tempdir()
            .map_err(|error| CliError::failure(format!("making a temporary directory: {error}")))?;
        let daemon = Self {
            program,
            directory,
            child: None,
        };
        // An empty file, so that no configuration of the user has a say.
        daemon.write("promptd.yaml", "")?;
        Ok(daemon)
    }

    /// Returns the place of a file in the directory.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the directory.
    pub(super) fn write(&self, name: &str, content: &str) -> Result<PathBuf, CliError> {
        let path = self.path(name);
        files::write_atomically(&path, content.as_bytes(), true)
            .map_err(|error| CliError::file("writing", &path, &error))?;
        Ok(path)
    }

    /// Returns the socket.
    pub(super) fn socket(&self) -> PathBuf {
        self.path("promptd.sock")
    }

    /// Starts the daemon and waits until it is ready; returns how long that took.
    pub(super) async fn start(&mut self) -> Result<Duration, CliError> {
        let began = Instant::now();
        let log = self.path("promptd.log");
        let output = files::create(&log).map_err(|error| CliError::file("writing", &log, &error))?;
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(self.path("promptd.yaml"))
            .arg("--store")
            .arg(self.path("store"))
            .arg("--socket")
            .arg(self.socket())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output)
            // Ctrl-C is for the one who started it.
            .process_group(0);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("PROMPTD") || name == "NOTIFY_SOCKET" || name.starts_with("LISTEN_") {
                command.env_remove(name.as_ref());
            }
        }
        let child = command
            .spawn()
            .map_err(|error| CliError::file("starting", &self.program, &error))?;
        self.child = Some(child);
        self.ready().await?;
        Ok(began.elapsed())
    }

    async fn ready(&mut self) -> Result<(), CliError> {
        let client = Client::new(self.socket());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Ok(Readiness::Ready) = client.readiness().await {
                return Ok(());
            }
            if let Some(child) = &mut self.child
                && let Ok(Some(status)) = child.try_wait()
            {
                return Err(CliError::failure(format!(
                    "promptd ended with {status}: {}",
                    self.last_words()
                )));
            }
            sleep(PAUSE).await;
        }
        Err(CliError::failure(format!(
            "promptd was not ready within {PATIENCE:?}: {}",
            self.last_words()
        )))
    }

    /// Returns what the daemon said last.
    fn last_words(&self) -> String {
        let log = files::read_text(&self.path("promptd.log")).unwrap_or_default();
        log.lines().last().unwrap_or("it said nothing").to_owned()
    }

    /// Kills the daemon without a warning and returns which process it was.
    pub(super) fn kill(&mut self) -> Option<u32> {
        let mut child = self.child.take()?;
        let id = child.id();
        drop(child.kill());
        drop(child.wait());
        Some(id)
    }

    /// Asks the daemon to end and waits for it.
    pub(super) async fn stop(mut self) -> Result<(), CliError> {
        let Some(child) = &mut self.child else {
            return Ok(());
        };
        if let Some(id) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(id, Signal::TERM);
        }
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match child.try_wait() {
                Ok(None) => sleep(PAUSE).await,
                Ok(Some(_)) => return Ok(()),
                Err(error) => return Err(CliError::failure(format!("waiting for promptd: {error}"))),
            }
        }
        Err(CliError::failure(format!(
            "promptd did not end within {PATIENCE:?} and was killed"
        )))
    }
}

impl Drop for PrivateDaemon {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_promptd_beside_it_there_is_nothing_to_show() {
        let directory = tempfile::tempdir().unwrap();
        let mut env = Environment::default();
        assert!(PrivateDaemon::prepare(&env).is_err());
        env.executable = Some(directory.path().join("promptctl"));
        let error = PrivateDaemon::prepare(&env).unwrap_err();
        assert!(error.hints[0].contains("same directory"), "{error:?}");
    }
}
