//! The daemon itself: status, health, its interface; and analysis, which stores nothing.

use hyper::{Method, StatusCode};
use serde_json::Value;

use crate::http::wire::{AnalyzeRequest, OptimizerHealth, RewriteRequest, StatusView};
use crate::model::PromptAnalysis;
use crate::optimizer::ScoringProfile;
use crate::optimizer::cycle::Outcome;

use super::call::Call;
use super::{Client, ClientError};

/// Whether the daemon takes requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not, or not all; the reason as the daemon says it.
    NotReady(String),
}

impl Client {
    /// Analyses a text by a profile without storing it.
    ///
    /// # Errors
    /// `invalid-document`, `payload-too-large`, or why it could not be asked.
    pub async fn analyze(&self, text: &str, profile: ScoringProfile) -> Result<PromptAnalysis, ClientError> {
        let request = AnalyzeRequest {
            text: text.to_owned(),
            profile,
        };
        let call = Call::new(Method::POST, &["v1", "analyze"]).json(&request)?;
        self.call(call).await?.json()
    }

    /// Rewrites a text without storing anything.
    ///
    /// # Errors
    /// `invalid-document`, `payload-too-large`, or why it could not be asked.
    pub async fn rewrite(&self, request: &RewriteRequest) -> Result<Outcome, ClientError> {
        let call = Call::new(Method::POST, &["v1", "rewrite"]).json(request)?;
        self.call(call).await?.json()
    }

    /// Returns everything an operator asks about the daemon.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn status(&self) -> Result<StatusView, ClientError> {
        self.call(Call::get(&["v1", "status"])).await?.json()
    }

    /// As [`Self::status`], but as the daemon says it: with fields that this client does not know.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn status_json(&self) -> Result<Value, ClientError> {
        self.call(Call::get(&["v1", "status"])).await?.json()
    }

    /// As [`Self::status_json`], with the state of every shard in `storage.shards.all`.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn status_json_with_shards(&self) -> Result<Value, ClientError> {
        let call = Call::get(&["v1", "status"]).query("shards", Some("all"));
        self.call(call).await?.json()
    }

    /// Returns every number of the daemon, in the text format of Prometheus.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let answer = self.call(Call::get(&["metrics"])).await?;
        String::from_utf8(answer.body.into()).map_err(|error| ClientError::malformed(&error))
    }

    /// Returns how the optimiser is, and what it depends on.
    ///
    /// # Errors
    /// `unavailable` when it does not work, or why it could not be asked.
    pub async fn optimizer_health(&self) -> Result<OptimizerHealth, ClientError> {
        self.call(Call::get(&["health", "optimizer"])).await?.json()
    }

    /// Tells whether the daemon is alive.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn health(&self) -> Result<(), ClientError> {
        self.call(Call::get(&["healthz"])).await?;
        Ok(())
    }

    /// Tells whether the daemon takes requests.
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn readiness(&self) -> Result<Readiness, ClientError> {
        let answer = self.exchange(Call::get(&["readyz"])).await?;
        match answer.status {
            StatusCode::SERVICE_UNAVAILABLE => {
                let said = answer.success().err().map(|error| error.to_string());
                Ok(Readiness::NotReady(said.unwrap_or_default()))
            }
            _ => answer.success().map(|_| Readiness::Ready),
        }
    }

    /// Returns the description of the interface (OpenAPI).
    ///
    /// # Errors
    /// Why it could not be asked.
    pub async fn openapi(&self) -> Result<Value, ClientError> {
        self.call(Call::get(&["openapi.json"])).await?.json()
    }
}
