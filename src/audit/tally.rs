//! How the log is, for everybody to see.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::chain::Head;
use super::{AuditError, Hash};

/// What is known of the log.
#[derive(Debug)]
pub(super) struct Tally(Mutex<Known>);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    /// Entries since the log was begun.
    pub(super) entries: u64,
    /// Writes that failed since the start.
    pub(super) failures: u64,
    /// Changes without an entry since the start.
    pub(super) missed: u64,
    /// Whether the last write failed.
    pub(super) fails: bool,
}

#[derive(Debug, Clone)]
struct Known {
    head: Head,
    missed: u64,
    missed_ever: u64,
    failure: Option<AuditError>,
    failures: u64,
    notes: Vec<String>,
}

impl Tally {
    pub(super) fn new(head: Head, notes: Vec<String>) -> Self {
        Self(Mutex::new(Known {
            head,
            missed: 0,
            missed_ever: 0,
            failure: None,
            failures: 0,
            notes,
        }))
    }

    /// Says that everything up to the head is written, and of how many changes that were missed it tells.
    pub(super) fn wrote(&self, head: &Head, told: u64) {
        let mut known = self.known();
        known.head = head.clone();
        known.missed = known.missed.saturating_sub(told);
        if known.failure.take().is_some() {
            tracing::info!("the audit log is written again");
        }
    }

    pub(super) fn failed(&self, error: &AuditError) {
        let before = {
            let mut known = self.known();
            known.failures += 1;
            known.failure.replace(error.clone())
        };
        if before.is_none() {
            tracing::error!(%error, "the audit log cannot be written");
        }
    }

    /// Returns why nothing can be written, if so.
    pub(super) fn failure(&self) -> Option<AuditError> {
        self.known().failure.clone()
    }

    /// Counts a change that was made without an entry.
    pub(super) fn miss(&self) {
        let mut known = self.known();
        known.missed += 1;
        known.missed_ever += 1;
    }

    /// Returns what is measured.
    pub(super) fn counts(&self) -> Counts {
        let known = self.known();
        Counts {
            entries: known.head.seq,
            failures: known.failures,
            missed: known.missed_ever,
            fails: known.failure.is_some(),
        }
    }

    pub(super) fn missed(&self) -> u64 {
        self.known().missed
    }

    pub(super) fn head(&self) -> (u64, Hash) {
        let known = self.known();
        (known.head.seq, known.head.hash.clone())
    }

    /// Returns what an operator should look at.
    pub(super) fn concerns(&self) -> Vec<String> {
        let known = self.known();
        let failure = known.failure.iter().map(ToString::to_string);
        let missed = (known.missed_ever > 0)
            .then(|| format!("{} changes are not in the audit log", known.missed_ever));
        failure.chain(missed).chain(known.notes.iter().cloned()).collect()
    }

    pub(super) fn status(&self) -> Value {
        let known = self.known();
        json!({
            "entries": known.head.seq,
            "head": known.head.hash,
            "missed": known.missed_ever,
            "failure": known.failure.as_ref().map(ToString::to_string),
        })
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
