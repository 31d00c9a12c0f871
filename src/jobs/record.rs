//! One job in the ledger.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::http::wire::{JobState, JobView};
use crate::model::Timestamp;

use super::kinds::Plan;
use super::schedule::Lane;
use super::{JobId, JobKind, LedgerEntry, state};

/// The format of a ledger entry that this version of promptd writes; newer ones are left alone.
const FORMAT: u32 = 1;

/// The largest ledger entry, in bytes.
pub(super) const MAX_RECORD_BYTES: u64 = 64 << 20;

/// One job in the ledger: its view, how often it was begun and, until it ends, what it needs to run.
///
/// A workflow document is never part of it, only the prompts that were found in one; these go when the job ends.
#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    format: u32,
    pub(super) view: JobView,
    pub(super) attempts: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) plan: Option<Plan>,
}

/// Why bytes are no ledger entry. The reason never repeats what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DamagedRecord(pub(super) String);

impl Record {
    pub(super) fn new(view: JobView, attempts: u32, plan: Option<Plan>) -> Self {
        Self {
            format: FORMAT,
            view,
            attempts,
            plan,
        }
    }

    /// Returns the name of the job.
    #[must_use]
    pub fn job_id(&self) -> &str {
        &self.view.job_id
    }

    /// Returns the state of the job when it was written down.
    #[must_use]
    pub const fn state(&self) -> JobState {
        self.view.state
    }

    /// Returns the bytes of the entry.
    ///
    /// # Errors
    /// A value that JSON cannot hold.
    pub fn render(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|e| place_of(&e))
    }

    /// Reads an entry that stands under a name.
    pub(super) fn parse(id: &JobId, bytes: &[u8]) -> Result<Self, DamagedRecord> {
        let damaged = |reason: String| Err(DamagedRecord(reason));
        let format = match serde_json::from_slice::<FormatOnly>(bytes) {
            Ok(found) => found.format,
            Err(e) => return damaged(place_of(&e)),
        };
        if format > FORMAT {
            return damaged(format!(
                "format {format}; this promptd knows formats up to {FORMAT}"
            ));
        }
        let record: Self = match serde_json::from_slice(bytes) {
            Ok(record) => record,
            Err(e) => return damaged(place_of(&e)),
        };
        if record.view.job_id != id.as_str() {
            return damaged("the entry is about another job than its name says".into());
        }
        if !record.view.state.is_final() && record.plan.is_none() {
            return damaged("the job has not ended and the entry does not say what to do".into());
        }
        Ok(record)
    }

    /// Returns what the queue keeps of the entry in memory; `None` for a kind that this version does not know.
    pub(super) fn into_entry(self, id: JobId, bytes: u64) -> Option<LedgerEntry> {
        let kind = JobKind::parse(&self.view.kind)?;
        let lane = self.plan.as_ref().map_or_else(
            || Lane {
                kind,
                key: String::new(),
            },
            Plan::lane,
        );
        let view = state::after(&self.view, state::Step::Requeue, Timestamp::now()).unwrap_or(self.view);
        Some(LedgerEntry {
            id,
            view,
            lane,
            bytes,
        })
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("job_id", &self.view.job_id)
            .field("kind", &self.view.kind)
            .field("state", &self.view.state)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// Says where JSON goes wrong without repeating any of it, which the error itself may do.
fn place_of(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Io => "not readable",
        serde_json::error::Category::Syntax => "not valid json",
        serde_json::error::Category::Data => "not a ledger entry",
        serde_json::error::Category::Eof => "cut off",
    };
    format!("{what} at line {}, column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Author;

    fn record(id: &JobId) -> Record {
        let view = state::submitted(id, JobKind::Verify, Author::daemon(), Timestamp::now());
        Record::new(view, 0, Some(Plan::Verify))
    }

    fn check_damaged(edit: impl FnOnce(&mut serde_json::Value), says: &str) {
        let id = JobId::generate();
        let mut value = serde_json::to_value(record(&id)).unwrap();
        edit(&mut value);
        let error = Record::parse(&id, value.to_string().as_bytes()).unwrap_err();
        assert!(error.0.contains(says), "{error:?}");
    }

    #[test]
    fn an_entry_reads_back() {
        let id = JobId::generate();
        let written = record(&id);
        let read = Record::parse(&id, &written.render().unwrap()).unwrap();
        assert_eq!(
            (read.view, read.attempts, read.plan.map(|plan| plan.lane())),
            (written.view, 0, written.plan.map(|plan| plan.lane()))
        );
    }

    #[test]
    fn damage_is_named_without_repeating_what_the_entry_says() {
        check_damaged(|entry| entry["format"] = 2.into(), "format 2");
        check_damaged(|entry| entry["view"]["job_id"] = "other".into(), "another job");
        check_damaged(
            |entry| drop(entry.as_object_mut().unwrap().remove("plan")),
            "what to do",
        );
        check_damaged(|entry| entry["plan"] = "bake".into(), "not a ledger entry");
        check_damaged(|entry| *entry = "sesame".into(), "not a ledger entry at line 1");
        let error = Record::parse(&JobId::generate(), br#"{"format": 1, "view": "sesa"#).unwrap_err();
        assert!(error.0.starts_with("cut off"), "{error:?}");
    }

    #[test]
    fn a_job_that_was_running_waits_again() {
        let id = JobId::generate();
        let mut running = record(&id);
        running.view = state::after(&running.view, state::Step::Begin, Timestamp::now()).unwrap();
        let entry = running.into_entry(id, 10).unwrap();
        assert_eq!(
            (entry.view.state, entry.view.started_at),
            (JobState::Queued, None)
        );
    }
}
