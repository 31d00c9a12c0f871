//! The log: to the journal, with its fields, where standard error leads there; else to standard error, as text for people
//! or as JSON for programs.
//!
//! The text of a prompt is never logged above debug.

mod entry;
mod journal;
mod limit;
mod line;

use std::io::{IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{ColorChoice, LogFormat, LogLevel, LoggingConfig};
use crate::log_events::LogEvent;
use crate::metrics::Samples;

use journal::Journal;
use limit::Limiter;

/// Changes the log while the daemon runs, and tells what it left out.
#[derive(Debug, Clone)]
pub struct LogControl {
    filter: reload::Handle<Targets, Registry>,
    limiter: Limiter,
}

/// What becomes of lines that are not written; for the metrics.
#[derive(Debug)]
pub(super) struct UnwrittenLines;

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be set up: {0}")]
pub struct LoggingError(String);

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Journal,
    Text,
    Json,
}

/// Sends the log of this process where it belongs.
///
/// # Errors
/// [`LoggingError`] when this process has a log already.
pub fn init(config: &LoggingConfig) -> Result<LogControl, LoggingError> {
    let stderr = std::io::stderr();
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colored = is_colored(config.color, stderr.is_terminal(), no_color);
    let journal = std::env::var("JOURNAL_STREAM").ok();
    let leads_to_journal = is_journal(journal.as_deref(), identity(&stderr));
    let form = form(config.format, leads_to_journal);
    let (filter, handle) = reload::Layer::new(filter(config.level));
    let limiter = Limiter::new(config.max_events_per_minute);
    let connected = (form == Form::Journal).then(|| Journal::connect(Path::new(journal::SOCKET)));
    let (lines, failure) = match connected {
        Some(Ok(journal)) => (journal.boxed(), None),
        Some(Err(error)) => (lines(Form::Text, colored, !leads_to_journal), Some(error)),
        None => (lines(form, colored, !leads_to_journal), None),
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(limiter.clone())
        .with(lines)
        .try_init()
        .map_err(|e| LoggingError(e.to_string()))?;
    std::panic::set_hook(Box::new(log_panic));
    if let Some(error) = failure {
        tracing::warn!(%error, "the journal cannot be reached: lines go to standard error");
    }
    Ok(LogControl {
        filter: handle,
        limiter,
    })
}

impl LogControl {
    /// Takes what of a configuration can change while the daemon runs: the least severe level that is written, and how many
    /// lines of one kind are.
    pub fn take(&self, config: &LoggingConfig) {
        if let Err(error) = self.filter.modify(|current| *current = filter(config.level)) {
            tracing::warn!(%error, "the log level could not be changed");
        }
        self.limiter.set_max(config.max_events_per_minute);
    }

    /// Says of which kinds lines were left out in minutes that are over.
    pub fn tell_left_out(&self) {
        self.tell(false);
    }

    /// As [`LogControl::tell_left_out`], also of the minute that is not over: the daemon stops.
    pub fn tell_all_left_out(&self) {
        self.tell(true);
    }

    fn tell(&self, all: bool) {
        for left_out in self.limiter.take(all, Instant::now()) {
            tracing::warn!(
                event = %LogEvent::LinesLeftOut, left_out = left_out.count, kind = left_out.kind, about = left_out.subject,
                "lines came too often and were left out (max_events_per_minute)"
            );
        }
    }
}

/// Chooses how lines are written.
const fn form(format: LogFormat, leads_to_journal: bool) -> Form {
    match format {
        LogFormat::Journal => Form::Journal,
        LogFormat::Auto if leads_to_journal => Form::Journal,
        LogFormat::Auto | LogFormat::Text => Form::Text,
        LogFormat::Json => Form::Json,
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
        // It warns of each directory that is removed: the kernel had dropped its watch already.
        .with_target("notify::inotify", level.min(LevelFilter::ERROR))
        .with_default(level.min(LevelFilter::WARN))
}

type Filtered = Layered<reload::Layer<Targets, Registry>, Registry>;

fn lines(form: Form, colored: bool, timed: bool) -> Box<dyn Layer<Layered<Limiter, Filtered>> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    match (form, timed) {
        (Form::Json, true) => lines.json().with_ansi(false).boxed(),
        (Form::Json, false) => lines.json().with_ansi(false).without_time().boxed(),
        (_, true) => lines.compact().with_ansi(colored).boxed(),
        (_, false) => lines.compact().with_ansi(colored).without_time().boxed(),
    }
}

impl Collector for UnwrittenLines {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut samples = Samples::new(encoder);
        samples.counter(
            "promptd_log_lines_left_out",
            "Lines of the log that came too often and were not written",
            limit::left_out(),
        )?;
        samples.counter(
            "promptd_log_lines_lost",
            "Lines of the log that the journal did not take in time",
            journal::lost(),
        )
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
        event = %LogEvent::Panicked, location, thread,
        "panic: this is a mistake in promptd, please report it"
    );
    let payload = panic.payload();
    let detail = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or_default();
    tracing::debug!(location, detail, "panic");
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
        check(LogLevel::Info, "notify::inotify", Level::WARN, false);
        check(LogLevel::Info, "notify::inotify", Level::ERROR, true);
        check(LogLevel::Info, "hyper", Level::WARN, true);
        check(LogLevel::Error, "hyper", Level::WARN, false);
    }

    #[test]
    fn lines_go_to_the_journal_where_standard_error_leads_there_unless_another_form_is_asked_for() {
        let check = |format, journal, expected| assert_eq!(form(format, journal), expected);
        check(LogFormat::Auto, true, Form::Journal);
        check(LogFormat::Auto, false, Form::Text);
        check(LogFormat::Journal, false, Form::Journal);
        check(LogFormat::Text, true, Form::Text);
        check(LogFormat::Json, true, Form::Json);
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
