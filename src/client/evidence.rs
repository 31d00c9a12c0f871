//! Test results of versions.

use hyper::Method;

use crate::evidence::Batch;
use crate::http::wire::{EvidencePage, EvidenceReceipt};
use crate::model::{PromptId, VersionSelector};

use super::call::Call;
use super::{Client, ClientError};

impl Client {
    /// Adds test results to the versions that they name; all of them or none. Sending the same again is safe: a result
    /// that is there is counted and not added twice.
    ///
    /// # Errors
    /// `invalid-evidence`, `not-found`, `evidence-conflict`, `evidence-full`, `corrupt-evidence`, or why it could not be asked.
    pub async fn add_evidence(&self, batch: &Batch) -> Result<EvidenceReceipt, ClientError> {
        let call = Call::new(Method::POST, &["v1", "evidence"]).json(batch)?;
        self.call(call).await?.json()
    }

    /// Returns what the test results of a version add up to, and a page of them: the first one, or the one at a cursor.
    ///
    /// # Errors
    /// `not-found`, `corrupt-evidence`, or why it could not be asked.
    pub async fn evidence(
        &self,
        id: &PromptId,
        selector: &VersionSelector,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<EvidencePage, ClientError> {
        let segments = [
            "v1",
            "prompts",
            id.as_str(),
            "versions",
            &selector.to_string(),
            "evidence",
        ];
        let call = Call::get(&segments).query("cursor", cursor).query("limit", limit);
        self.call(call).await?.json()
    }
}
