//! Labels: look, set, move, remove.

use hyper::Method;
use hyper::header::{IF_MATCH, IF_NONE_MATCH};

use crate::http::wire::{LabelRequest, LabelView, LabelsView};
use crate::model::{Label, PromptId, Version, VersionSelector};

use super::call::Call;
use super::{Client, ClientError};

/// Where a label must be for a change to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LabelGuard {
    /// Anywhere.
    #[default]
    Anywhere,
    /// At this version.
    At(Version),
    /// Nowhere: it must not be set.
    Unset,
}

impl LabelGuard {
    fn on(&self, call: Call) -> Result<Call, ClientError> {
        match self {
            Self::Anywhere => Ok(call),
            Self::At(version) => call.header(IF_MATCH, &format!("\"{version}\"")),
            Self::Unset => call.header(IF_NONE_MATCH, "*"),
        }
    }
}

impl Client {
    /// Returns the labels of a prompt and every move of them.
    ///
    /// # Errors
    /// `not-found`, or why it could not be asked.
    pub async fn labels(&self, id: &PromptId) -> Result<LabelsView, ClientError> {
        let call = Call::get(&["v1", "prompts", id.as_str(), "labels"]);
        self.call(call).await?.json()
    }

    /// Sets a label, or moves it.
    ///
    /// # Errors
    /// `not-found`, `precondition-failed`, or why it could not be asked.
    pub async fn set_label(
        &self,
        id: &PromptId,
        label: &Label,
        to: &VersionSelector,
        guard: &LabelGuard,
    ) -> Result<LabelView, ClientError> {
        let request = LabelRequest {
            version: to.to_string(),
        };
        let segments = ["v1", "prompts", id.as_str(), "labels", label.as_str()];
        let call = guard.on(Call::new(Method::PUT, &segments).json(&request)?)?;
        self.call(call).await?.json()
    }

    /// Removes a label.
    ///
    /// # Errors
    /// `not-found`, `precondition-failed`, or why it could not be asked.
    pub async fn remove_label(
        &self,
        id: &PromptId,
        label: &Label,
        guard: &LabelGuard,
    ) -> Result<(), ClientError> {
        let segments = ["v1", "prompts", id.as_str(), "labels", label.as_str()];
        self.call(guard.on(Call::delete(&segments))?).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Reply, Stub};
    use super::*;

    async fn check(guard: LabelGuard, header: Option<&str>) {
        let header = header.map(str::to_owned);
        let stub = Stub::start(move |request| {
            let guarded = request.head.lines().find(|line| line.starts_with("if-"));
            assert_eq!(guarded, header.as_deref());
            assert_eq!((request.method.as_str(), request.target.as_str()), ("PUT", "/v1/prompts/greet/labels/production"));
            assert_eq!(request.body, r#"{"version":"^1.2"}"#);
            let view = serde_json::json!({"label": "production", "version": "1.2.0", "set_at": "2026-01-02T03:04:05Z",
                "set_by": {"name": "ada"}});
            Reply::json(200, &view.to_string())
        })
        .await;
        let (id, label) = (PromptId::new("greet").unwrap(), Label::new("production").unwrap());
        let to = "^1.2".parse().unwrap();
        let set = Client::new(stub.socket())
            .set_label(&id, &label, &to, &guard)
            .await
            .unwrap();
        assert_eq!(set.version.to_string(), "1.2.0");
    }

    #[tokio::test]
    async fn a_guard_travels_as_a_precondition() {
        check(LabelGuard::Anywhere, None).await;
        check(
            LabelGuard::At(Version::release(1, 1, 0)),
            Some("if-match: \"1.1.0\""),
        )
        .await;
        check(LabelGuard::Unset, Some("if-none-match: *")).await;
    }
}
