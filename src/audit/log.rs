//! [`AuditLog`]: the handle through which everybody logs and reads.

use std::fmt;
use std::io;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::storage::filesystem::disk::{Disk, Pulse};

use super::entry::{Draft, Entry};
use super::files::Files;
use super::liveness::LastWords;
use super::recover::{Found, recover};
use super::tally::Tally;
use super::verify::{AuditReport, Verifier};
use super::writer::{Command, Writer};
use super::{AuditError, AuditPage, AuditQuery, Hash};

/// How many entries may wait for the thread that writes; who comes then waits for a place.
const MAX_QUEUE: usize = 1_024;

/// What becomes of a change that cannot be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is refused before anything is done.
    Refuse,
    /// It is made all the same, and counted.
    Serve,
}

/// How the log is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditOptions {
    /// How large one segment becomes.
    pub max_segment_bytes: u64,
    /// How many segments are kept; 0 keeps all.
    pub max_segments: usize,
    /// What becomes of a change that cannot be logged.
    pub on_failure: OnFailure,
}

/// The log of one store. Cheap to clone.
#[derive(Clone)]
pub struct AuditLog {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) tally: Arc<Tally>,
    /// Of the thread that writes.
    pub(super) pulse: Arc<Pulse>,
    files: Files,
    on_failure: OnFailure,
}

impl AuditLog {
    /// Opens the log of a store and starts the thread that writes. Returns also what was intended when the daemon ended
    /// the last time, and has no end. Blocks.
    ///
    /// Files that cannot be read stop nobody from reading prompts: the log then fails as one that cannot be written.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn open(disk: Arc<dyn Disk>, options: AuditOptions) -> io::Result<(Self, Vec<Entry>)> {
        let files = Files::new(disk);
        let mut notes = Vec::new();
        let found = recover(&files).unwrap_or_else(|error| {
            tracing::error!(%error, "the audit log cannot be read");
            notes.push(format!("the audit log could not be read at the start: {error}"));
            Found::nothing(false)
        });
        if found.torn_bytes > 0 {
            let bytes = found.torn_bytes;
            tracing::warn!(
                bytes,
                "the last line of the audit log was cut off; it is put aside as .audit/torn-*"
            );
        }
        if let Some(reason) = &found.damage {
            tracing::error!(
                reason,
                "the last line of the audit log is damaged; the log goes on after it"
            );
            notes.push(format!(
                "the audit log is damaged near its end ({reason}): promptctl audit verify"
            ));
        }
        let tally = Arc::new(Tally::new(found.head.clone(), notes));
        let (commands, received) = mpsc::channel(MAX_QUEUE);
        let writer = Writer::new(files.clone(), options, Arc::clone(&tally), &found);
        let (pulse, last_words) = (writer.pulse(), LastWords(Arc::clone(&tally)));
        std::thread::Builder::new()
            .name("promptd-audit".to_owned())
            .spawn(move || {
                // In this order: when the queue is gone, why it is gone has been said.
                let mut commands = received;
                let _last_words = last_words;
                writer.run(&mut commands);
            })?;
        let log = Self {
            commands,
            tally,
            pulse,
            files,
            on_failure: options.on_failure,
        };
        Ok((log, found.open))
    }

    /// Logs durably that something is about to be done; returns the number of the entry, or nothing when it cannot be logged
    /// and is to be done all the same.
    ///
    /// # Errors
    /// [`AuditError`] when it cannot be logged, and is not to be done then.
    pub async fn intend(&self, draft: Draft) -> Result<Option<u64>, AuditError> {
        match self.append(draft, true).await {
            Ok(seq) => Ok(Some(seq)),
            Err(error) => match self.on_failure {
                OnFailure::Refuse => Err(error),
                OnFailure::Serve => {
                    self.tally.miss();
                    Ok(None)
                }
            },
        }
    }

    /// Logs what came of something that was intended. What cannot be written now is written later; after a crash it is
    /// found in the store.
    pub async fn ended(&self, draft: Draft) {
        if let Err(error) = self.append(draft, false).await {
            tracing::debug!(%error, "what came of a change is logged later");
        }
    }

    /// Logs what is nobody's intention: a start, a refusal. That it cannot be logged is in the health of the log.
    pub async fn note(&self, draft: Draft) {
        if let Err(error) = self.append(draft, false).await {
            tracing::debug!(%error, "an entry of the audit log is lost");
            self.tally.miss();
        }
    }

    /// As [`Self::note`], from a thread that may wait; does not wait for the entry to be written.
    pub fn note_blocking(&self, draft: Draft) {
        let (reply, _nobody) = oneshot::channel();
        let append = Command::Append {
            draft: Box::new(draft),
            is_durable: false,
            reply,
        };
        if self.commands.blocking_send(append).is_err() {
            self.tally.miss();
        }
    }

    /// Makes everything durable and ends the thread. Nothing can be logged after that.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close(done)).await.is_ok() && closed.await.is_err() {
            tracing::warn!("the thread of the audit log has failed");
        }
    }

    /// Returns one page of entries. Blocks.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn page(&self, query: &AuditQuery) -> io::Result<AuditPage> {
        super::page::read(&self.files, query, self.tally.head().0)
    }

    /// Checks the whole chain as far as it is written. Blocks.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn verify(&self, known_head: Option<Hash>) -> io::Result<AuditReport> {
        let mut verifier = Verifier::new(known_head);
        let last = self.tally.head().0;
        for number in self.files.numbers()? {
            let segment = match self.files.open_read(number) {
                // Removed meanwhile, as max_segments says.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            verifier.segment(number, io::BufReader::new(segment), Some(last))?;
        }
        Ok(verifier.finish(Some(last)))
    }

    /// Returns the number and the hash of the last entry.
    #[must_use]
    pub fn head(&self) -> (u64, Hash) {
        self.tally.head()
    }

    /// Returns what an operator should look at.
    #[must_use]
    pub fn concerns(&self) -> Vec<String> {
        self.tally.concerns()
    }

    /// Returns how the log is.
    #[must_use]
    pub fn status(&self) -> Value {
        self.tally.status()
    }

    async fn append(&self, draft: Draft, is_durable: bool) -> Result<u64, AuditError> {
        let (reply, answer) = oneshot::channel();
        let append = Command::Append {
            draft: Box::new(draft),
            is_durable,
            reply,
        };
        let ended = || self.tally.failure().unwrap_or(AuditError::Closed);
        self.commands.send(append).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("head", &self.tally.head().0)
            .finish_non_exhaustive()
    }
}
