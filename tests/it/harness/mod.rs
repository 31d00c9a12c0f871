//! A daemon of one's own: real binary, temporary store, private socket, clean environment.

mod ctl;
mod data;
mod dice;
mod manager;
pub mod model_server;
mod mount;
mod nobody;
mod secrets;
mod users;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use promptd::client::{Client, Readiness};
use promptd::model::{PromptId, ShardDepth, Version};
use serde_json::json;

pub use ctl::Output;
pub use data::shared_data;
pub use dice::Dice;
pub use manager::Manager;
pub use mount::SmallDisk;
pub use secrets::{holders, write_secret};
pub use users::User;

/// Nothing in these tests may take longer.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Tells whether the fault suite is run in its long form.
pub fn faults_are_full() -> bool {
    std::env::var_os("PROMPTD_FAULTS").is_some_and(|form| form == "full")
}

/// A place for one daemon after another: a store, a socket, a log.
pub struct Host {
    dir: tempfile::TempDir,
    /// More arguments for the daemon.
    pub arguments: Vec<String>,
    /// More environment for the daemon.
    pub environment: Vec<(String, String)>,
    /// What the daemon is run by: a program and its arguments, to which the daemon's are added.
    pub wrapper: Vec<String>,
    /// Whether the daemon runs as a user whom modes bind.
    is_nobody: bool,
}

/// A running daemon. It is killed when it is dropped.
pub struct Daemon {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Host {
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("promptd-it-").tempdir().unwrap();
        Self {
            dir,
            arguments: Vec::new(),
            environment: Vec::new(),
            wrapper: Vec::new(),
            is_nobody: false,
        }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("promptd.sock")
    }

    pub fn log(&self) -> PathBuf {
        self.dir.path().join("promptd.log")
    }

    /// Returns the file of a version in the default layout.
    pub fn version_file(&self, id: &str, version: &str) -> PathBuf {
        self.store().join(prompt_dir(id)).join(format!("{version}.json"))
    }

    /// Returns a command for the daemon in a clean environment.
    pub fn command(&self) -> Command {
        let mut command = if self.is_nobody {
            nobody::command()
        } else if let Some((program, arguments)) = self.wrapper.split_first() {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .arg(env!("CARGO_BIN_EXE_promptd"))
                .stdin(Stdio::null());
            command
        } else {
            let mut command = Command::new(env!("CARGO_BIN_EXE_promptd"));
            command.stdin(Stdio::null());
            command
        };
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        command
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PROMPTD__OPTIMIZER__STORAGE__CONFIG__MIN_FREE_BYTES", "0")
            .envs(
                self.environment
                    .iter()
                    .map(|(key, value)| (key.as_str(), value.as_str())),
            )
            .arg("--store")
            .arg(self.store())
            .arg("--socket")
            .arg(self.socket())
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    /// Starts the daemon and waits until it is ready.
    pub async fn start(&self) -> Daemon {
        let daemon = self.spawn();
        daemon.ready().await;
        daemon
    }

    /// Starts the daemon and does not wait.
    pub fn spawn(&self) -> Daemon {
        let child = self.command().spawn().unwrap();
        Daemon {
            child,
            socket: self.socket(),
            log: self.log(),
        }
    }

    /// Runs the daemon to its end; it must end by itself.
    pub fn run_to_end(&self) -> (ExitStatus, String) {
        let output = self
            .command()
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        (
            output.status,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}

impl Daemon {
    pub fn client(&self) -> Client {
        Client::new(&self.socket)
    }

    /// Waits until the daemon says that it is ready.
    pub async fn ready(&self) {
        let client = self.client();
        eventually(&format!("ready; its log is\n{}", self.read_log()), async || {
            matches!(client.readiness().await, Ok(Readiness::Ready))
        })
        .await;
    }

    /// Returns the value of one sample of the metrics.
    pub async fn metric(&self, sample: &str) -> f64 {
        let text = self.client().metrics().await.unwrap();
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        found
            .unwrap_or_else(|| panic!("no {sample} in {text}"))
            .parse()
            .unwrap()
    }

    /// Returns how often a limit of `daemon.limits` was run into.
    pub async fn rejected(&self, key: &str) -> f64 {
        self.metric(&format!("promptd_rejected_total{{key=\"daemon.limits.{key}\"}}"))
            .await
    }

    pub fn read_log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the daemon as `kill -9` does.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the daemon has ended by itself.
    pub fn wait(mut self) -> ExitStatus {
        wait_for(&mut self.child)
    }

    /// Asks the daemon to stop and waits until it has.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        wait_for(&mut self.child)
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("sh")
            .arg("-c")
            .arg(format!("kill -{name} {}", self.pid()))
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Already ended, or a test failed: either way nothing may be left running.
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}

fn wait_for(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the daemon did not stop");
        std::thread::yield_now();
    }
}

/// Waits until something holds.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
        "never: {what}"
    );
}

/// Returns the directory of a prompt in the default layout, relative to the store.
pub fn prompt_dir(prompt: &str) -> PathBuf {
    Path::new(ShardDepth::DEFAULT.shard_of(&id(prompt)).as_str()).join(prompt)
}

pub fn id(text: &str) -> PromptId {
    PromptId::new(text).unwrap()
}

pub fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

/// Returns a document as a person would write it.
pub fn by_hand(prompt: &str, version: &Version, text: &str) -> Vec<u8> {
    let document = json!({
        "prompt_id": prompt, "version": version,
        "prompt": {"id": prompt, "workflow_id": "", "node_id": "", "node_type": "", "text": text},
        "analysis": {"prompt_id": prompt, "overall_score": 1.0, "clarity_score": 1.0, "efficiency_score": 1.0},
        "created_at": "2026-01-02T03:04:05Z",
    });
    serde_json::to_vec_pretty(&document).unwrap()
}
