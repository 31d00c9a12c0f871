//! Reading the log in pages.

use std::io;

use serde::{Deserialize, Serialize};

use crate::model::{PromptId, Timestamp};
use crate::storage::Action;

use super::entry::{Entry, Outcome};
use super::files::Files;

/// How many files one page may read; it is short then, and says where to go on.
const MAX_SEGMENTS_PER_PAGE: usize = 8;

/// Which entries are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// Only of this prompt.
    pub prompt: Option<PromptId>,
    /// Only of this user.
    pub user: Option<String>,
    /// Only of this action.
    pub action: Option<Action>,
    /// Only not older than this.
    pub since: Option<Timestamp>,
    /// Also those that say that something is intended, of which another says what came of it.
    pub intended: bool,
    /// The newest first.
    pub newest_first: bool,
    /// Only what comes after the entry with this number, in the order asked for.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

/// One page of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The entries.
    pub items: Vec<Entry>,
    /// The number of the entry after which the next page begins; `None` when there is nothing more.
    pub next: Option<u64>,
}

impl AuditQuery {
    fn fits(&self, entry: &Entry) -> bool {
        let draft = &entry.draft;
        (self.intended || draft.outcome != Outcome::Intended)
            && self
                .prompt
                .as_ref()
                .is_none_or(|id| draft.prompt_id.as_ref() == Some(id))
            && self.user.as_ref().is_none_or(|user| {
                *user == draft.user || draft.uid.is_some_and(|uid| *user == uid.to_string())
            })
            && self.action.is_none_or(|action| action == draft.action)
            && self.since.as_ref().is_none_or(|since| entry.at >= *since)
    }

    /// Tells whether an entry lies behind what was read before.
    fn is_ahead(&self, seq: u64) -> bool {
        match (self.after, self.newest_first) {
            (None, _) => true,
            (Some(after), true) => seq < after,
            (Some(after), false) => seq > after,
        }
    }
}

/// Reads one page. Entries beyond `last` are being written, and are passed over.
pub(super) fn read(files: &Files, query: &AuditQuery, last: u64) -> io::Result<AuditPage> {
    let mut numbers = files.numbers()?;
    if query.newest_first {
        numbers.reverse();
    }
    let mut page = AuditPage {
        items: Vec::new(),
        next: None,
    };
    let mut reached = query.after;
    let mut read = 0;
    for number in numbers {
        let bytes = match files.read(number) {
            // Removed meanwhile, as max_segments says.
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            other => other?,
        };
        let mut entries: Vec<Entry> = bytes
            .split_inclusive(|byte| *byte == b'\n')
            .filter_map(|line| Entry::parse(line.strip_suffix(b"\n")?).ok())
            .filter(|entry| entry.seq <= last && query.is_ahead(entry.seq))
            .collect();
        if entries.is_empty() {
            continue;
        }
        if read == MAX_SEGMENTS_PER_PAGE {
            page.next = reached;
            return Ok(page);
        }
        read += 1;
        if query.newest_first {
            entries.reverse();
        }
        for entry in entries {
            if query.newest_first && query.since.as_ref().is_some_and(|since| entry.at < *since) {
                return Ok(page);
            }
            let fits = query.fits(&entry);
            if fits && page.items.len() == query.limit {
                page.next = reached;
                return Ok(page);
            }
            reached = Some(entry.seq);
            if fits {
                page.items.push(entry);
            }
        }
    }
    Ok(page)
}
