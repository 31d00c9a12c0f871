//! Reading the configuration again while the daemon runs.

use crate::config::{Config, ConfigError, Sources, changed_keys, load};

use super::logging::LogControl;

/// What a running daemon needs to read its configuration again.
#[derive(Debug)]
pub struct Reload {
    sources: Sources,
    running: Config,
    log: LogControl,
}

/// What a new configuration means for a daemon that runs with another one.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    /// What is in force from now on.
    pub(super) config: Config,
    /// The keys that have another value now.
    pub(super) changed: Vec<&'static str>,
    /// The keys that differ as well, and take a restart.
    pub(super) waiting: Vec<&'static str>,
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

    /// Reads the configuration again and changes the log. The rest is up to the caller. A configuration that
    /// is refused changes nothing.
    pub(super) fn read(&mut self) -> Result<Outcome, ConfigError> {
        let found = load(&self.sources)?;
        let outcome = compare(&self.running, &found);
        self.log.take(&outcome.config.daemon.logging);
        self.running = outcome.config.clone();
        Ok(outcome)
    }

    /// Returns the log, to have it tell what was left out.
    pub(super) const fn log(&self) -> &LogControl {
        &self.log
    }
}

impl Outcome {
    /// Returns what happened, for the audit log.
    pub(super) fn summary(&self) -> String {
        let list = |keys: &[&str]| match keys {
            [] => "nothing".to_owned(),
            keys => keys.join(", "),
        };
        let waiting = list(&self.waiting);
        format!("changed: {}; takes a restart: {waiting}", list(&self.changed))
    }

    /// Returns what somebody has to do, for the status.
    pub(super) fn advice(&self) -> Option<String> {
        let keys = self.waiting.join(", ");
        (!self.waiting.is_empty()).then(|| format!("restart promptd to use the new {keys}"))
    }
}

/// Takes over what can change without a restart.
fn compare(running: &Config, found: &Config) -> Outcome {
    let mut config = running.clone();
    config.daemon.limits = found.daemon.limits.clone();
    config.daemon.logging.level = found.daemon.logging.level;
    config.daemon.logging.max_events_per_minute = found.daemon.logging.max_events_per_minute;
    config.daemon.access.default_role = found.daemon.access.default_role;
    config.daemon.access.rules.clone_from(&found.daemon.access.rules);
    config.daemon.audit.log_refused = found.daemon.audit.log_refused;
    let (files, new) = (
        &mut config.optimizer.storage.config,
        &found.optimizer.storage.config,
    );
    files.retention = new.retention.clone();
    files.watch = new.watch.clone();
    Outcome {
        changed: changed_keys(running, &config),
        waiting: changed_keys(&config, found),
        config,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Role;
    use crate::config::{LogLevel, WatchMode};

    fn check(change: fn(&mut Config), changed: &[&str], waiting: &[&str]) {
        let running = Config::default();
        let mut found = running.clone();
        change(&mut found);
        let outcome = compare(&running, &found);
        assert_eq!(
            (outcome.changed.as_slice(), outcome.waiting.as_slice()),
            (changed, waiting)
        );
        assert_eq!(outcome.config == found, waiting.is_empty());
    }

    #[test]
    fn limits_access_level_retention_and_watching_change_at_once_and_the_rest_takes_a_restart() {
        check(|_| {}, &[], &[]);
        check(
            |c| {
                c.daemon.logging.level = LogLevel::Debug;
                c.daemon.logging.max_events_per_minute = 1;
            },
            &["daemon.logging.level", "daemon.logging.max_events_per_minute"],
            &[],
        );
        check(
            |c| {
                c.daemon.limits.max_connections = 1;
                c.optimizer.storage.config.watch.mode = WatchMode::Scan;
                c.optimizer.storage.config.retention.keep_last = 3;
            },
            &[
                "optimizer.storage.config.retention.keep_last",
                "optimizer.storage.config.watch.mode",
                "daemon.limits.max_connections",
            ],
            &[],
        );
        check(
            |c| {
                c.daemon.limits.max_connections = 1;
                c.optimizer.storage.config.use_cache = false;
                c.daemon.socket = Some("/elsewhere".into());
            },
            &["daemon.limits.max_connections"],
            &["optimizer.storage.config.use_cache", "daemon.socket"],
        );
    }

    #[test]
    fn who_may_do_what_changes_at_once_and_the_socket_and_the_log_take_a_restart() {
        check(
            |c| {
                c.daemon.access.default_role = Role::Read;
                c.daemon.access.socket_group = Some("x".into());
                c.daemon.audit.log_refused = !c.daemon.audit.log_refused;
                c.daemon.audit.max_segments += 1;
            },
            &["daemon.access.default_role", "daemon.audit.log_refused"],
            &["daemon.access.socket_group", "daemon.audit.max_segments"],
        );
    }

    #[test]
    fn what_takes_a_restart_is_advised_at_every_reload_until_then() {
        let running = Config::default();
        let mut found = running.clone();
        found.optimizer.storage.config.use_cache = false;
        let first = compare(&running, &found);
        let again = compare(&first.config, &found);
        assert_eq!(first.advice(), again.advice());
        assert!(again.advice().unwrap().contains("use_cache"), "{again:?}");
    }
}
