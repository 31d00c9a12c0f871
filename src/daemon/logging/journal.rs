//! Lines as entries of the journal, with their fields.
//!
//! A journal that hangs must not hang the daemon: a line waits for it for a moment, and is then lost and counted. Where there
//! is no journal any more, lines go to standard error as text.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use super::entry;
use super::line::Line;

/// Where the journal takes entries.
pub(super) const SOCKET: &str = "/run/systemd/journal/socket";

/// How long one line may wait for the journal.
const SEND_TIMEOUT: Duration = Duration::from_millis(100);

/// Lines of this process that the journal did not take.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Sends every line to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    /// Named anew with each line: a journal that was restarted has another socket there.
    address: PathBuf,
}

/// Returns how many lines of this process the journal did not take.
pub(super) fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

impl Journal {
    /// Makes the layer, if somebody takes entries at `address`.
    ///
    /// # Errors
    /// What the operating system says when nobody does.
    pub(super) fn connect(address: &Path) -> io::Result<Self> {
        UnixDatagram::unbound()?.connect(address)?;
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok(Self {
            socket,
            address: address.to_owned(),
        })
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send_to(bytes, &self.address) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent.map(drop),
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let (line, metadata) = (Line::of(event), event.metadata());
        match self.send(&entry::encode(&line, metadata)) {
            Ok(()) => {}
            // Standard error leads to the same journal: it would wait without an end.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                LOST.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => {
                let text = plain(&line, entry::priority(*metadata.level()));
                // Nobody is left to tell when standard error is closed.
                let _written = io::stderr().write_all(text.as_bytes());
            }
        }
    }
}

/// A line for standard error; the journal takes the number in front of it for the priority.
fn plain(line: &Line, priority: u8) -> String {
    format!("<{priority}>{}\n", line.text().replace('\n', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_events::LogEvent;
    use tracing_subscriber::layer::SubscriberExt;

    /// Logs to a journal of one's own, and returns the fields of each entry.
    fn logged(log: impl FnOnce()) -> Vec<Vec<String>> {
        let directory = tempfile::tempdir().unwrap();
        let address = directory.path().join("socket");
        let server = UnixDatagram::bind(&address).unwrap();
        server.set_nonblocking(true).unwrap();
        let journal = Journal::connect(&address).unwrap();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), log);
        let mut buffer = vec![0; 64 << 10];
        let mut entries = Vec::new();
        while let Ok(length) = server.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            entries.push(text.lines().map(str::to_owned).collect());
        }
        entries
    }

    #[test]
    fn a_line_has_its_fields_without_a_prefix_and_the_id_of_its_kind() {
        let entries = logged(|| {
            tracing::warn!(
                event = %LogEvent::DamageFound, prompt_id = "greet", version = %"1.0.1", peer_uid = 1_000,
                "found"
            );
        });
        let entry = &entries[0];
        for field in [
            "MESSAGE=found prompt_id=greet version=1.0.1 peer_uid=1000".to_owned(),
            "PRIORITY=4".to_owned(),
            "SYSLOG_IDENTIFIER=promptd".to_owned(),
            "PROMPT_ID=greet".to_owned(),
            "VERSION=1.0.1".to_owned(),
            "PEER_UID=1000".to_owned(),
            "EVENT=damage-found".to_owned(),
            format!("MESSAGE_ID={}", LogEvent::DamageFound.message_id()),
        ] {
            assert!(entry.contains(&field), "{field} in {entry:?}");
        }
    }

    #[test]
    fn a_line_about_nothing_in_particular_has_no_id() {
        let entries = logged(|| tracing::info!(note = "line\nbreak", "told"));
        assert!(entries[0].contains(&"NOTE".to_owned()), "{entries:?}");
        assert!(!entries[0].iter().any(|field| field.starts_with("MESSAGE_ID")));
    }

    #[test]
    fn a_journal_that_takes_nothing_holds_nobody_up_for_long_and_the_loss_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let address = directory.path().join("socket");
        let _deaf = UnixDatagram::bind(&address).unwrap();
        let journal = Journal::connect(&address).unwrap();
        let before = lost();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(journal), || {
            // More than the queue of a socket takes, whatever the host has set.
            while lost() == before {
                tracing::info!(filler = "x".repeat(4_000), "told");
            }
        });
        assert!(lost() > before);
    }

    #[test]
    fn without_a_journal_there_is_a_text_with_a_priority() {
        let directory = tempfile::tempdir().unwrap();
        assert!(Journal::connect(&directory.path().join("absent")).is_err());
        let line = Line {
            message: "told\ntwice".into(),
            ..Line::default()
        };
        assert_eq!(plain(&line, 4), "<4>told twice\n");
    }
}
