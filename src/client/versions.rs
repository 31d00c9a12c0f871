//! Versions: make, read, list, delete, compare, roll back.

use bytes::Bytes;
use hyper::header::IF_NONE_MATCH;
use hyper::{Method, StatusCode};
use serde_json::value::RawValue;

use crate::http::wire::{PromoteRequest, RollbackRequest, VersionSummary};
use crate::model::{Checksum, PromptId, Version, VersionSelector};
use crate::versions::compare::Comparison;
use crate::versions::{NewVersion, Order};

use super::call::Call;
use super::{Answer, Client, ClientError, Document, Pages, Stored};

impl Client {
    /// Makes the next version of a prompt; answers with the latest one when its content is the same.
    ///
    /// # Errors
    /// `invalid-document`, what the storage says, or why it could not be asked.
    pub async fn create_version(&self, id: &PromptId, new: &NewVersion) -> Result<Stored, ClientError> {
        let call = Call::new(Method::POST, &["v1", "prompts", id.as_str(), "versions"]).json(new)?;
        Ok(stored(&self.call(call).await?))
    }

    /// Stores a document under exactly its number. With `create_only` a number that is taken is refused even when its
    /// content is the same.
    ///
    /// # Errors
    /// `version-conflict`, `version-deleted`, `invalid-document`, what the storage says, or why it could not be asked.
    pub async fn put_version(
        &self,
        id: &PromptId,
        version: &Version,
        document: impl Into<Bytes>,
        create_only: bool,
    ) -> Result<Stored, ClientError> {
        let segments = ["v1", "prompts", id.as_str(), "versions", &version.to_string()];
        let mut call = Call::new(Method::PUT, &segments).json_bytes(document.into());
        if create_only {
            call = call.header(IF_NONE_MATCH, "*")?;
        }
        Ok(stored(&self.call(call).await?))
    }

    /// Returns one version.
    ///
    /// # Errors
    /// `not-found`, `corrupt-version`, `edited-version`, or why it could not be asked.
    pub async fn version(&self, id: &PromptId, selector: &VersionSelector) -> Result<Document, ClientError> {
        let call = Call::get(&["v1", "prompts", id.as_str(), "versions", &selector.to_string()]);
        Ok(Document::of_answer(&self.call(call).await?))
    }

    /// Returns one version, or `None` when its content still has a checksum that is known.
    ///
    /// # Errors
    /// As [`Self::version`].
    pub async fn version_unless(
        &self,
        id: &PromptId,
        selector: &VersionSelector,
        known: &Checksum,
    ) -> Result<Option<Document>, ClientError> {
        let call = Call::get(&["v1", "prompts", id.as_str(), "versions", &selector.to_string()])
            .header(IF_NONE_MATCH, &format!("\"{known}\""))?;
        let answer = self.call(call).await?;
        Ok((answer.status != StatusCode::NOT_MODIFIED).then(|| Document::of_answer(&answer)))
    }

    /// Lists the versions of a prompt.
    #[must_use]
    pub fn versions(&self, id: &PromptId, order: Order) -> Pages<'_, VersionSummary> {
        Pages::new(self, version_list(id, order))
    }

    /// Lists the version documents of a prompt, each as the daemon gives it.
    #[must_use]
    pub fn documents(&self, id: &PromptId, order: Order) -> Pages<'_, Box<RawValue>> {
        Pages::new(self, version_list(id, order).flag("documents", true))
    }

    /// Moves a version to the trash; with `force` also when a label points at it.
    ///
    /// # Errors
    /// `not-found`, `version-labelled`, or why it could not be asked.
    pub async fn delete_version(
        &self,
        id: &PromptId,
        version: &Version,
        force: bool,
    ) -> Result<(), ClientError> {
        let segments = ["v1", "prompts", id.as_str(), "versions", &version.to_string()];
        self.call(Call::delete(&segments).flag("force", force)).await?;
        Ok(())
    }

    /// Compares two versions of a prompt.
    ///
    /// # Errors
    /// `not-found`, `corrupt-version`, or why it could not be asked.
    pub async fn compare(
        &self,
        id: &PromptId,
        from: &VersionSelector,
        to: &VersionSelector,
    ) -> Result<Comparison, ClientError> {
        let call = Call::get(&["v1", "prompts", id.as_str(), "compare"])
            .query("from", Some(from))
            .query("to", Some(to));
        self.call(call).await?.json()
    }

    /// Makes a new version with the content of an old one.
    ///
    /// # Errors
    /// `not-found`, `corrupt-version`, or why it could not be asked.
    pub async fn rollback(&self, id: &PromptId, to: &VersionSelector) -> Result<Stored, ClientError> {
        let request = RollbackRequest { to: to.to_string() };
        let call = Call::new(Method::POST, &["v1", "prompts", id.as_str(), "rollback"]).json(&request)?;
        Ok(stored(&self.call(call).await?))
    }

    /// Makes a release of a candidate; with `force` also of one that was refused or is out of date.
    ///
    /// # Errors
    /// `not-promotable`, `not-found`, or why it could not be asked.
    pub async fn promote(
        &self,
        id: &PromptId,
        version: &Version,
        force: bool,
    ) -> Result<Stored, ClientError> {
        let request = PromoteRequest {
            version: version.to_string(),
            force,
        };
        let call = Call::new(Method::POST, &["v1", "prompts", id.as_str(), "promote"]).json(&request)?;
        Ok(stored(&self.call(call).await?))
    }
}

fn version_list(id: &PromptId, order: Order) -> Call {
    let order = match order {
        Order::Asc => "asc",
        Order::Desc => "desc",
    };
    Call::get(&["v1", "prompts", id.as_str(), "versions"]).query("order", Some(order))
}

fn stored(answer: &Answer) -> Stored {
    Stored {
        document: Document::of_answer(answer),
        is_new: answer.status == StatusCode::CREATED,
    }
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Reply, Stub};
    use super::*;
    use crate::model::Integrity;

    const ETAG: &str = "\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"";

    fn id() -> PromptId {
        PromptId::new("greet").unwrap()
    }

    #[tokio::test]
    async fn a_document_comes_with_its_checksum_and_integrity() {
        let stub = Stub::start(
            |request| match request.head.contains("if-none-match: \"sha256:e3b0") {
                true => Reply::json(304, ""),
                false => Reply::json(200, "{ }")
                    .header("etag", ETAG)
                    .header("promptd-integrity", "edited"),
            },
        )
        .await;
        let client = Client::new(stub.socket());
        let document = client.version(&id(), &VersionSelector::Latest).await.unwrap();
        assert_eq!(
            (&document.bytes[..], document.integrity),
            (&b"{ }"[..], Some(Integrity::Edited))
        );
        let known = document.checksum.unwrap();
        let again = client
            .version_unless(&id(), &VersionSelector::Latest, &known)
            .await;
        assert_eq!(again.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_stored_anew_is_told_from_what_was_there() {
        let stub =
            Stub::start(|request| Reply::json(if request.body.contains("new") { 201 } else { 200 }, "{}"))
                .await;
        let client = Client::new(stub.socket());
        let store = async |text: &str| {
            client
                .create_version(&id(), &NewVersion::of_text(text))
                .await
                .unwrap()
                .is_new
        };
        assert!(store("new").await);
        assert!(!store("old").await);
    }
}
