//! The trash: list, bring back, forget.

use hyper::Method;

use crate::model::{PromptId, Version};
use crate::storage::TrashedVersion;

use super::call::Call;
use super::{Client, ClientError, Document, Pages};

impl Client {
    /// Lists what lies in the trash, of one prompt or of all.
    #[must_use]
    pub fn trash(&self, prompt: Option<&PromptId>) -> Pages<'_, TrashedVersion> {
        Pages::new(self, Call::get(&["v1", "trash"]).query("prompt", prompt))
    }

    /// Brings a version back from the trash.
    ///
    /// # Errors
    /// `not-found` when the trash does not hold it, or why it could not be asked.
    pub async fn restore(&self, id: &PromptId, version: &Version) -> Result<Document, ClientError> {
        let segments = ["v1", "trash", id.as_str(), &version.to_string(), "restore"];
        let answer = self.call(Call::new(Method::POST, &segments)).await?;
        Ok(Document::of_answer(&answer))
    }

    /// Forgets a version in the trash for good.
    ///
    /// # Errors
    /// `not-found` when the trash does not hold it, or why it could not be asked.
    pub async fn forget(&self, id: &PromptId, version: &Version) -> Result<(), ClientError> {
        self.call(Call::delete(&["v1", "trash", id.as_str(), &version.to_string()]))
            .await?;
        Ok(())
    }
}
