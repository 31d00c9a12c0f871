//! The audit log.

use crate::audit::Entry;
use crate::audit::verify::AuditReport;
use crate::model::{PromptId, Timestamp};
use crate::storage::Action;

use super::call::Call;
use super::{Client, ClientError, Pages};

/// Which entries are asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of this prompt.
    pub prompt: Option<PromptId>,
    /// Only of this user, by name or number.
    pub user: Option<String>,
    /// Only of this action.
    pub action: Option<Action>,
    /// Only not older than this.
    pub since: Option<Timestamp>,
    /// Also entries that say that something is intended.
    pub intended: bool,
    /// The newest first.
    pub newest_first: bool,
}

impl Client {
    /// Lists the audit log, from after the entry with the number `after`.
    #[must_use]
    pub fn audit(&self, filter: &AuditFilter, after: Option<u64>) -> Pages<'_, Entry> {
        let call = Call::get(&["v1", "audit"])
            .query("prompt", filter.prompt.as_ref())
            .query("user", filter.user.as_ref())
            .query("action", filter.action)
            .query("since", filter.since.as_ref())
            .flag("intended", filter.intended)
            .query("order", filter.newest_first.then_some("desc"));
        let pages = Pages::new(self, call);
        match after {
            Some(seq) => pages.starting_at(format!("a~{seq}")),
            None => pages,
        }
    }

    /// Has the daemon check its audit log; `head` is the hash of an entry that must be there.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn verify_audit(&self, head: Option<&str>) -> Result<AuditReport, ClientError> {
        let call = Call::get(&["v1", "audit", "verify"]).query("head", head);
        self.call(call).await?.json()
    }
}
