//! The log: to standard error, as text for people or as JSON for programs.
//!
//! The text of a prompt is never logged above debug.

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{ColorChoice, LogFormat, LogLevel, LoggingConfig};

/// Changes the level of the log while the daemon runs.
#[derive(Debug, Clone)]
pub struct LogControl(reload::Handle<Targets, Registry>);

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be set up: {0}")]
pub struct LoggingError(String);

/// Sends the log of this process to standard error.
///
/// # Errors
/// [`LoggingError`] when this process has a log already.
pub fn init(config: &LoggingConfig) -> Result<LogControl, LoggingError> {
    let stderr = std::io::stderr();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colored = is_colored(config.color, stderr.is_terminal(), no_color);
    let journal = std::env::var("JOURNAL_STREAM").ok();
    let timed = !is_journal(journal.as_deref(), identity(&stderr));
    let (filter, handle) = reload::Layer::new(filter(config.level));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines(config.format, colored, timed))
        .try_init()
        .map_err(|e| LoggingError(e.to_string()))?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(LogControl(handle))
}

impl LogControl {
    /// Sets the least severe level that is written.
    pub fn set_level(&self, level: LogLevel) {
        if let Err(error) = self.0.modify(|current| *current = filter(level)) {
            tracing::warn!(%error, "the log level could not be changed");
        }
    }
}

/// Our own lines from `level` on; those of libraries only when they warn.
fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new()
        .with_target("promptd", level)
        .with_default(level.min(LevelFilter::WARN))
}

type Filtered = tracing_subscriber::layer::Layered<reload::Layer<Targets, Registry>, Registry>;

fn lines(format: LogFormat, colored: bool, timed: bool) -> Box<dyn Layer<Filtered> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    match (format, timed) {
        (LogFormat::Text, true) => lines.compact().with_ansi(colored).boxed(),
        (LogFormat::Text, false) => lines.compact().with_ansi(colored).without_time().boxed(),
        (LogFormat::Json, true) => lines.json().with_ansi(false).boxed(),
        (LogFormat::Json, false) => lines.json().with_ansi(false).without_time().boxed(),
    }
}

const fn is_colored(choice: ColorChoice, is_terminal: bool, no_color: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => is_terminal && !no_color,
    }
}

/// Tells whether a stream is the one that systemd connected to its journal: `$JOURNAL_STREAM` is `device:inode`.
fn is_journal(variable: Option<&str>, stream: Option<(u64, u64)>) -> bool {
    let named = variable.and_then(|variable| variable.split_once(':'));
    let named = named.and_then(|(device, inode)| Some((device.parse().ok()?, inode.parse().ok()?)));
    named.is_some() && named == stream
}

fn identity(stream: &impl AsFd) -> Option<(u64, u64)> {
    let stat = rustix::fs::fstat(stream).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

/// A panic is a mistake in the daemon: where it happened is an error, what it says may quote a prompt.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    tracing::error!(
        location,
        thread,
        "panic: this is a mistake in promptd, please report it"
    );
    let payload = panic.payload();
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default();
    tracing::debug!(location, message, "panic");
}

/// Says one line to the one who started the process; for what happens before there is a log.
pub fn say(line: &str) {
    // Nobody is left to tell when standard error is closed.
    let _written = writeln!(std::io::stderr(), "promptd: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn our_own_lines_follow_the_level_and_those_of_libraries_only_warn() {
        let check = |level, target: &str, line, expected| {
            assert_eq!(
                filter(level).would_enable(target, &line),
                expected,
                "{level:?} {target} {line}"
            );
        };
        check(LogLevel::Info, "promptd::http", Level::INFO, true);
        check(LogLevel::Info, "promptd::http", Level::DEBUG, false);
        check(LogLevel::Trace, "promptd", Level::TRACE, true);
        check(LogLevel::Trace, "hyper", Level::INFO, false);
        check(LogLevel::Info, "hyper", Level::WARN, true);
        check(LogLevel::Error, "hyper", Level::WARN, false);
    }

    #[test]
    fn colour_is_for_terminals_unless_it_was_asked_for() {
        assert!(is_colored(ColorChoice::Auto, true, false));
        assert!(!is_colored(ColorChoice::Auto, true, true));
        assert!(!is_colored(ColorChoice::Auto, false, false));
        assert!(is_colored(ColorChoice::Always, false, true));
        assert!(!is_colored(ColorChoice::Never, true, false));
    }

    #[test]
    fn only_the_stream_that_the_variable_names_is_the_journal() {
        assert!(is_journal(Some("8:123"), Some((8, 123))));
        assert!(!is_journal(Some("8:123"), Some((8, 124))));
        assert!(!is_journal(None, Some((8, 123))));
        assert!(!is_journal(Some("x"), None));
        assert!(!is_journal(Some("8:x"), Some((8, 0))));
    }
}
