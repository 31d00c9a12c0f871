//! The daemon's life in a process of its own.

use crate::config::Config;
use crate::config::paths::Paths;

use super::signals::{Signal, SignalSource};
use super::{Daemon, Reload, StartError};

/// Why the daemon ended other than by being told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It stopped serving by itself.
    #[error("the server ended unexpectedly: the log says more")]
    ServerEnded,
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// [`RunError`] when it could not start, or stopped serving by itself.
pub async fn run(
    config: &Config,
    paths: &Paths,
    mut signals: SignalSource,
    mut reload: Option<Reload>,
) -> Result<(), RunError> {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        "promptd starts"
    );
    let mut daemon = Daemon::start(config, paths).await?;
    announce(&daemon, paths);
    let told_to_stop = loop {
        tokio::select! {
            () = daemon.server_ended() => break false,
            signal = signals.next() => match (signal, &mut reload) {
                (Signal::Terminate, _) => break true,
                (Signal::Reload, Some(reload)) => reload.reload(&daemon).await,
                (Signal::Reload, None) => tracing::warn!("there is no configuration to read again"),
            },
        }
    };
    tracing::info!("promptd stops: a second signal ends it at once");
    daemon.stop().await;
    tracing::info!("promptd has stopped");
    if told_to_stop {
        Ok(())
    } else {
        Err(RunError::ServerEnded)
    }
}

fn announce(daemon: &Daemon, paths: &Paths) {
    let (prompts, versions) = daemon.storage().totals();
    let store = paths.store.as_ref().map(|path| path.display().to_string());
    let store = store
        .as_deref()
        .unwrap_or("in memory: nothing is kept when promptd stops");
    if let Err(reason) = daemon.storage().health() {
        tracing::warn!(reason, "a part of the store is down; the rest is served");
    }
    tracing::info!(socket = %daemon.socket().display(), store, prompts, versions, "promptd is ready");
}

impl RunError {
    /// Returns the exit code of the process.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Start(error) => error.exit_code(),
            Self::ServerEnded => 1,
        }
    }
}
