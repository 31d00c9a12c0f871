//! One entry of the log: what it says, and its line.

use serde::{Deserialize, Serialize};

use crate::model::{Label, PromptId, Timestamp, Version};
use crate::storage::{Action, Actor};

use super::chain::{Hash, Head};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is about to be done. The entry that says what came of it has the number of this one in `of`.
    Intended,
    /// It is done.
    Done,
    /// It was done already: nothing has changed.
    Unchanged,
    /// It could not be done; `detail` has the code of the error.
    Failed,
    /// It was cut off: it may or may not be done.
    Unknown,
    /// It was refused for want of rights.
    Refused,
    /// The daemon ended while it was being done, and found at the next start that it is done.
    Recovered,
    /// The daemon ended while it was being done, and found at the next start that it is not done.
    Undone,
    /// It was found: somebody did it without asking the daemon.
    Seen,
}

/// What an entry says, before it has its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Draft {
    /// What.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
    /// Who: the name of a user, `promptd` for the daemon, `outside` for other programs.
    pub user: String,
    /// The number of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The primary group of the process that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The process that asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// The job that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_id: Option<PromptId>,
    /// The version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// The label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// What was before: the version that was the latest, the version that a label pointed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What is now: the checksum of a version, the version that a label points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `created_at` of the document that is stored, by which an intended version is found again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
    /// More, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The number of the entry that said that this is intended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Entry {
    /// Its number: 1, 2, 3 and so on.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    #[schema(inline)]
    pub draft: Draft,
    /// The lowest number of an intended change of which nobody knew at this time what comes of it; its own number when
    /// there is none.
    pub open: u64,
    /// The hash of the line before.
    pub prev: Hash,
}

impl Draft {
    /// Says what somebody does.
    #[must_use]
    pub fn new(actor: &Actor, action: Action, outcome: Outcome) -> Self {
        Self {
            action,
            outcome,
            user: actor.author.name.clone(),
            uid: actor.author.uid,
            gid: actor.gid,
            pid: actor.pid,
            job_id: actor.job_id.clone(),
            prompt_id: None,
            version: None,
            label: None,
            from: None,
            to: None,
            made_at: None,
            detail: None,
            of: None,
        }
    }

    /// Says about which prompt.
    #[must_use]
    pub fn about(mut self, id: &PromptId) -> Self {
        self.prompt_id = Some(id.clone());
        self
    }

    /// Says what came of an intended change.
    #[must_use]
    pub fn ended(&self, of: u64, outcome: Outcome) -> Self {
        Self {
            outcome,
            of: Some(of),
            ..self.clone()
        }
    }
}

impl Entry {
    /// Returns the line of the entry, with its newline.
    pub(super) fn line(&self) -> Vec<u8> {
        // Every part of it is plain text or a number: there is nothing that JSON could not hold.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a line, given without its newline.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| format!("no entry: {error}"))
    }

    /// Gives a draft its place after the head of the chain, and moves the head.
    pub(super) fn append(head: &mut Head, open: Option<u64>, at: Timestamp, draft: Draft) -> (Self, Vec<u8>) {
        let seq = head.seq + 1;
        let entry = Self {
            seq,
            at,
            draft,
            open: open.unwrap_or(seq).min(seq),
            prev: head.hash.clone(),
        };
        let line = entry.line();
        let hash = Hash::of(line.strip_suffix(b"\n").unwrap_or(&line));
        *head = Head { seq, hash };
        (entry, line)
    }
}
