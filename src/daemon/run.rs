//! The daemon's life in a process of its own.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use crate::config::Config;
use crate::config::paths::Paths;
use crate::log_events::LogEvent;
use crate::storage::filesystem::Recovery;

use super::activation::PassedSockets;
use super::manager::{self, StatusLine};
use super::patience::Patience;
use super::signals::{Signal, SignalSource};
use super::{Daemon, Reload, StartError};

/// How often the service manager hears of a start that takes long.
const START_WORD_INTERVAL: Duration = Duration::from_secs(1);
/// How often the log tells what it left out.
const LEFT_OUT_INTERVAL: Duration = Duration::from_secs(30);
/// How long a stop may take beyond `drain_timeout_ms` before what hangs is left behind.
const STOP_GRACE: Duration = Duration::from_secs(10);

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

/// Why the loop of a running daemon ended.
enum End {
    Told,
    ServerEnded,
}

/// Runs the daemon until it is told to stop, on sockets that were passed to it, or on its own.
///
/// # Errors
/// [`RunError`] when it could not start, or stopped serving by itself.
pub async fn run(
    config: &Config,
    paths: &Paths,
    passed: PassedSockets,
    mut signals: SignalSource,
    mut reload: Option<Reload>,
) -> Result<(), RunError> {
    tracing::info!(
        event = %LogEvent::Starting,
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        "promptd starts"
    );
    let mut config = config.clone();
    let Some(mut daemon) = start(&config, paths, passed, &mut signals).await? else {
        tracing::info!("promptd was told to stop before it was ready");
        return Ok(());
    };
    announce(&daemon, paths);
    let line = Arc::new(StatusLine::default());
    manager::ready(&line);
    daemon.watch_over(&line, Duration::from_millis(config.daemon.watchdog.period_ms));
    let mut looks_at_log = interval_at(Instant::now() + LEFT_OUT_INTERVAL, LEFT_OUT_INTERVAL);
    let end = loop {
        tokio::select! {
            _ = looks_at_log.tick() => reload.iter().for_each(|reload| reload.log().tell_left_out()),
            () = daemon.server_ended() => break End::ServerEnded,
            signal = signals.next() => match (signal, &mut reload) {
                (Signal::Terminate, _) => break End::Told,
                (Signal::Reload, Some(reload)) => {
                    if let Some(new) = take_configuration(&mut daemon, reload, &line).await {
                        config = new;
                    }
                }
                (Signal::Reload, None) => tracing::warn!("there is no configuration to read again"),
            },
        }
    };
    stop(daemon, &config).await;
    reload.iter().for_each(|reload| reload.log().tell_all_left_out());
    match end {
        End::Told => Ok(()),
        End::ServerEnded => Err(RunError::ServerEnded),
    }
}

/// Starts the daemon, and tells the service manager how far it is; `None` when it is told to stop meanwhile. Nothing is
/// lost by that: nothing was acknowledged yet, and a recovery that is cut off is done again.
async fn start(
    config: &Config,
    paths: &Paths,
    passed: PassedSockets,
    signals: &mut SignalSource,
) -> Result<Option<Daemon>, StartError> {
    let progress = watch::Sender::new(Recovery::default());
    let mut starting = pin!(Box::pin(Daemon::start_on(config, paths, passed, &progress)));
    let now = Instant::now();
    let mut words = interval_at(now + START_WORD_INTERVAL, START_WORD_INTERVAL);
    words.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut patience = Patience::new(now);
    loop {
        tokio::select! {
            started = &mut starting => {
                if let Err(error) = &started {
                    manager::starting(&error.to_string(), None);
                }
                return started.map(Some);
            }
            signal = signals.next() => match signal {
                Signal::Terminate => return Ok(None),
                Signal::Reload => tracing::info!("the configuration was read just now: a reload has to wait for the start"),
            },
            _ = words.tick() => {
                let word = patience.look(*progress.borrow(), Instant::now());
                tracing::info!(status = word.status, "promptd is starting");
                manager::starting(&word.status, word.extension);
            }
        }
    }
}

/// Reads the configuration again and takes what can change while the daemon runs. Returns what is in force then; `None`
/// when it is refused and nothing changed.
async fn take_configuration(daemon: &mut Daemon, reload: &mut Reload, line: &StatusLine) -> Option<Config> {
    manager::reloading();
    let taken = match reload.read() {
        Ok(outcome) => {
            daemon.take(&outcome.config).await;
            daemon.note_reload(outcome.summary()).await;
            let changed = outcome.changed.join(", ");
            tracing::info!(event = %LogEvent::Reloaded, changed, "configuration read again");
            let advice = outcome.advice();
            if let Some(advice) = &advice {
                tracing::warn!(event = %LogEvent::RestartNeeded, advice, "not everything can change while promptd runs");
            }
            line.reloaded(advice);
            Some(outcome.config)
        }
        Err(error) => {
            tracing::error!(event = %LogEvent::ReloadRefused, %error, "the configuration is refused; the daemon goes on with what it has");
            line.reloaded(Some(format!("the new configuration is refused: {error}")));
            daemon.note_reload("refused: nothing changes".to_owned()).await;
            None
        }
    };
    manager::ready(line);
    taken
}

async fn stop(daemon: Daemon, config: &Config) {
    tracing::info!(event = %LogEvent::Stopping, "promptd stops: a second signal ends it at once");
    manager::stopping();
    let patience = Duration::from_millis(config.daemon.limits.drain_timeout_ms) + STOP_GRACE;
    if timeout(patience, daemon.stop()).await.is_ok() {
        tracing::info!(event = %LogEvent::Stopped, "promptd has stopped");
    } else {
        // No worse than a crash: what was acknowledged is on disk, and the next start recovers.
        tracing::error!(
            event = %LogEvent::StopTimedOut,
            seconds = patience.as_secs(),
            "not everything stopped in time: what hangs is left behind"
        );
    }
}

fn announce(daemon: &Daemon, paths: &Paths) {
    let (prompts, versions) = daemon.storage().totals();
    let store = paths.store.as_ref().map(|path| path.display().to_string());
    let store = store
        .as_deref()
        .unwrap_or("in memory: nothing is kept when promptd stops");
    if let Err(reason) = daemon.storage().health() {
        tracing::warn!(event = %LogEvent::Degraded, concerns = reason, "a part of the store is down; the rest is served");
    }
    daemon.tcp().iter().for_each(|gate| super::tcp::announce(gate));
    tracing::info!(
        event = %LogEvent::Ready, socket = %daemon.socket().display(), store, prompts, versions,
        "promptd is ready"
    );
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
