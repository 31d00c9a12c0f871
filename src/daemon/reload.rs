//! Reading the configuration again while the daemon runs.

use crate::config::{Config, ConfigError, LogLevel, Sources, load};

use super::logging::LogControl;

/// What a running daemon needs to read its configuration again.
#[derive(Debug)]
pub struct Reload {
    sources: Sources,
    running: Config,
    log: LogControl,
}

/// What a new configuration means for a daemon that runs with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Effect {
    /// The level that the log has from now on.
    level: LogLevel,
    /// Whether anything else differs: that takes a restart.
    needs_restart: bool,
}

impl Reload {
    /// Remembers where the running configuration came from.
    #[must_use]
    pub const fn new(sources: Sources, running: Config, log: LogControl) -> Self {
        Self {
            sources,
            running,
            log,
        }
    }

    /// Reads the configuration again. The log level changes at once; a configuration that is refused changes nothing.
    pub(super) fn reload(&mut self) {
        match load(&self.sources) {
            Ok(found) => self.apply(&found),
            Err(error) => refused(&error),
        }
    }

    fn apply(&mut self, found: &Config) {
        let Effect { level, needs_restart } = effect(&self.running, found);
        self.log.set_level(level);
        self.running.daemon.logging.level = level;
        tracing::info!(level = level.as_str(), "configuration read again");
        if needs_restart {
            tracing::warn!("other settings than the log level changed: restart promptd to use them");
        }
    }
}

fn refused(error: &ConfigError) {
    tracing::error!(%error, "the configuration is refused; the daemon goes on with what it has");
}

fn effect(running: &Config, found: &Config) -> Effect {
    let level = found.daemon.logging.level;
    let mut same_but_level = running.clone();
    same_but_level.daemon.logging.level = level;
    Effect {
        level,
        needs_restart: same_but_level != *found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_log_level_changes_without_a_restart() {
        let running = Config::default();
        let check = |change: fn(&mut Config), level, needs_restart| {
            let mut found = running.clone();
            change(&mut found);
            assert_eq!(effect(&running, &found), Effect { level, needs_restart });
        };
        check(|_| {}, LogLevel::Info, false);
        check(
            |c| c.daemon.logging.level = LogLevel::Debug,
            LogLevel::Debug,
            false,
        );
        check(|c| c.daemon.limits.max_connections = 1, LogLevel::Info, true);
    }
}
