//! What the service manager is told (`sd_notify`). Without one, nothing is told to nobody.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;

/// The longest status line, in bytes.
const MAX_STATUS_BYTES: usize = 1_024;

/// The line that the service manager shows of this service. It is sent only when it changes.
#[derive(Debug, Default)]
pub(super) struct StatusLine(Mutex<Parts>);

#[derive(Debug, Default)]
struct Parts {
    /// What came of the last reload, if somebody has to do something about it.
    reload: Option<String>,
    /// What is wrong.
    health: Option<String>,
    sent: Option<String>,
}

impl StatusLine {
    /// Says what came of a reload.
    pub(super) fn reloaded(&self, outcome: Option<String>) {
        self.change(|parts| parts.reload = outcome);
    }

    /// Says what is wrong with the daemon, if anything is.
    pub(super) fn health(&self, concerns: Option<String>) {
        self.change(|parts| parts.health = concerns);
    }

    /// Returns the line.
    pub(super) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).text()
    }

    fn change(&self, change: impl FnOnce(&mut Parts)) {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut parts);
        let text = parts.text();
        if parts.sent.as_ref() != Some(&text) {
            tell(&[NotifyState::Status(&text)]);
            parts.sent = Some(text);
        }
    }
}

impl Parts {
    fn text(&self) -> String {
        let state = match &self.health {
            None => "serving".to_owned(),
            Some(concerns) => format!("degraded: {concerns}"),
        };
        let reload = self.reload.iter().map(|outcome| format!("; {outcome}"));
        one_line(&reload.fold(state, |text, part| text + &part))
    }
}

/// Says that requests are served.
pub(super) fn ready(line: &StatusLine) {
    tell(&[NotifyState::Ready, NotifyState::Status(&line.text())]);
}

/// Says that the configuration is being read again. To be followed by [`ready`].
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        // In one message: systemd takes the time for that of the reload which it belongs to.
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the clock cannot be read: the reload is not announced"),
    }
}

/// Says that the daemon stops.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("stopping")]);
}

/// Says how far the start is, and asks for more time when `extension` is given.
pub(super) fn starting(status: &str, extension: Option<Duration>) {
    let status = one_line(status);
    let mut states = vec![NotifyState::Status(&status)];
    let micros = extension.map(|extension| u32::try_from(extension.as_micros()).unwrap_or(u32::MAX));
    states.extend(micros.map(NotifyState::ExtendTimeoutUsec));
    tell(&states);
}

/// Says that work gets done.
pub(super) fn alive() {
    tell(&[NotifyState::Watchdog]);
}

/// Returns how often the service manager wants to hear that work gets done, if it wants that of this process.
pub(super) fn watchdog_interval() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager cannot be told");
    }
}

/// A message is lines, so that a status has only one.
fn one_line(text: &str) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if line.len() > MAX_STATUS_BYTES {
        let end = (0..=MAX_STATUS_BYTES)
            .rev()
            .find(|end| line.is_char_boundary(*end))
            .unwrap_or(0);
        line.truncate(end);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_what_is_wrong_and_what_came_of_the_reload() {
        let line = StatusLine::default();
        assert_eq!(line.text(), "serving");
        line.reloaded(Some("configuration refused: p.yaml:3: unknown key".into()));
        line.health(Some("shards down: 69".into()));
        assert_eq!(
            line.text(),
            "degraded: shards down: 69; configuration refused: p.yaml:3: unknown key"
        );
        line.health(None);
        line.reloaded(None);
        assert_eq!(line.text(), "serving");
    }

    #[test]
    fn a_status_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\nWATCHDOG=1"), "a WATCHDOG=1");
        assert_eq!(one_line(&"é".repeat(1_000)).len(), MAX_STATUS_BYTES);
    }
}
