//! Reading the configuration again while the daemon runs.

use crate::config::{Config, ConfigError, LogLevel, Sources, load};

use super::Daemon;
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

    /// Reads the configuration again. The log level and who may do what change at once; a configuration that is refused
    /// changes nothing.
    pub(super) async fn reload(&mut self, daemon: &Daemon) {
        match load(&self.sources) {
            Ok(found) => {
                self.apply(&found);
                daemon.reload_access(&self.running).await;
                daemon
                    .note_reload(format!(
                        "{} rules of access",
                        self.running.daemon.access.rules.len()
                    ))
                    .await;
            }
            Err(error) => {
                refused(&error);
                daemon.note_reload("refused: nothing changes".to_owned()).await;
            }
        }
    }

    fn apply(&mut self, found: &Config) {
        let Effect { level, needs_restart } = effect(&self.running, found);
        self.log.set_level(level);
        self.running = reloaded(&self.running, found);
        tracing::info!(level = level.as_str(), "configuration read again");
        if needs_restart {
            tracing::warn!(
                "other settings than the log level and daemon.access changed: restart promptd to use them"
            );
        }
    }
}

fn refused(error: &ConfigError) {
    tracing::error!(%error, "the configuration is refused; the daemon goes on with what it has");
}

fn effect(running: &Config, found: &Config) -> Effect {
    let level = found.daemon.logging.level;
    Effect {
        level,
        needs_restart: reloaded(running, found) != *found,
    }
}

/// Returns what is in force after a configuration was read again: the rest takes a restart.
fn reloaded(running: &Config, found: &Config) -> Config {
    let mut reloaded = running.clone();
    reloaded.daemon.logging.level = found.daemon.logging.level;
    reloaded.daemon.access.default_role = found.daemon.access.default_role;
    reloaded
        .daemon
        .access
        .rules
        .clone_from(&found.daemon.access.rules);
    reloaded.daemon.audit.log_refused = found.daemon.audit.log_refused;
    reloaded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_log_level_and_access_change_without_a_restart() {
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
        check(
            |c| c.daemon.access.default_role = crate::access::Role::Read,
            LogLevel::Info,
            false,
        );
        check(|c| c.daemon.audit.log_refused = false, LogLevel::Info, false);
        check(
            |c| c.daemon.access.socket_group = Some("x".into()),
            LogLevel::Info,
            true,
        );
        check(|c| c.daemon.limits.max_connections = 1, LogLevel::Info, true);
    }
}
