//! Which language model is asked, and what that may cost: the section `optimizer.llm` of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::credential::is_credential_name;

use super::endpoint::Endpoint;

/// The settings of the language model. Without an endpoint there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LlmSettings {
    /// Where it is asked: `https://host/v1`, `http://host/v1` or `unix:/path`.
    pub endpoint: Option<String>,
    /// Its name, as the endpoint knows it.
    pub model: Option<String>,
    /// The name of the systemd credential that holds the key.
    pub credential: Option<String>,
    /// The file that holds the key.
    pub credential_file: Option<PathBuf>,
    /// Milliseconds that one call may take.
    pub timeout_ms: u64,
    /// How often a call that failed for the moment is repeated.
    pub max_retries: u32,
    /// Milliseconds before the first repetition; they double with each further one.
    pub min_backoff_ms: u64,
    /// The most milliseconds before a repetition, also when the endpoint asks for more.
    pub max_backoff_ms: u64,
    /// The most calls at one time.
    pub max_concurrent_calls: usize,
    /// The most calls in a minute, over time.
    pub max_calls_per_minute: u32,
    /// The most calls at once after a rest.
    pub max_burst_calls: u32,
    /// The largest answer that is read.
    pub max_answer_bytes: u64,
    /// The most tokens of an answer.
    pub max_answer_tokens: u64,
    /// How that limit is called in a request.
    pub answer_limit_field: AnswerLimitField,
    /// How free the model is in its choice of words.
    pub temperature: f64,
    /// What all of it may cost.
    pub budget: BudgetSettings,
    /// Where answers are kept.
    pub cache: AnswerCacheSettings,
}

/// How the limit of an answer is called in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerLimitField {
    /// As nearly all servers have it.
    #[default]
    MaxTokens,
    /// As some newer models want it.
    MaxCompletionTokens,
}

/// What language models may cost. Amounts of money are in the currency of the prices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BudgetSettings {
    /// The most tokens of one job.
    pub max_tokens_per_job: u64,
    /// The most tokens of one day (UTC).
    pub max_tokens_per_day: u64,
    /// The most money of one job; `None` is no such limit.
    pub max_cost_per_job: Option<f64>,
    /// The most money of one day (UTC); `None` is no such limit.
    pub max_cost_per_day: Option<f64>,
    /// The price of a million tokens that are sent.
    pub price_per_million_prompt_tokens: Option<f64>,
    /// The price of a million tokens that are answered.
    pub price_per_million_answer_tokens: Option<f64>,
}

/// Where answers are kept, and how many.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerCacheSettings {
    /// The directory; `None` is that of systemd, else one beside the store.
    pub dir: Option<PathBuf>,
    /// The most bytes of kept answers.
    pub max_bytes: u64,
    /// Days for which an answer is kept.
    pub max_age_days: u32,
}

impl Default for LlmSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            model: None,
            credential: None,
            credential_file: None,
            timeout_ms: 120_000,
            max_retries: 3,
            min_backoff_ms: 500,
            max_backoff_ms: 60_000,
            max_concurrent_calls: 4,
            max_calls_per_minute: 60,
            max_burst_calls: 10,
            max_answer_bytes: 1 << 20,
            max_answer_tokens: 4_096,
            answer_limit_field: AnswerLimitField::MaxTokens,
            temperature: 0.2,
            budget: BudgetSettings::default(),
            cache: AnswerCacheSettings::default(),
        }
    }
}

impl Default for BudgetSettings {
    fn default() -> Self {
        Self {
            max_tokens_per_job: 1_000_000,
            max_tokens_per_day: 10_000_000,
            max_cost_per_job: None,
            max_cost_per_day: None,
            price_per_million_prompt_tokens: None,
            price_per_million_answer_tokens: None,
        }
    }
}

impl Default for AnswerCacheSettings {
    fn default() -> Self {
        Self {
            dir: None,
            max_bytes: 256 << 20,
            max_age_days: 30,
        }
    }
}

/// A setting that is wrong, or does not go with another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {message}")]
pub struct InvalidLlmSetting {
    /// The key with its path.
    pub key: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl LlmSettings {
    /// Tells whether a language model is configured.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.endpoint.is_some()
    }

    /// Checks what no key can tell alone.
    ///
    /// # Errors
    /// The first key that is wrong.
    pub fn validate(&self) -> Result<(), InvalidLlmSetting> {
        let refuse = |key, message: String| Err(InvalidLlmSetting { key, message });
        if self.min_backoff_ms > self.max_backoff_ms {
            let message = format!(
                "is {}, but must not be above `optimizer.llm.max_backoff_ms`, which is {}",
                self.min_backoff_ms, self.max_backoff_ms
            );
            return refuse("optimizer.llm.min_backoff_ms", message);
        }
        self.budget.validate()?;
        if self.credential.is_some() && self.credential_file.is_some() {
            let message = "and `optimizer.llm.credential_file` are both set: keep one of them";
            return refuse("optimizer.llm.credential", message.to_owned());
        }
        if self
            .credential
            .as_deref()
            .is_some_and(|name| !is_credential_name(name))
        {
            let message =
                "must be the name of a credential, such as llm-key: letters, digits, '.', '-' and '_'";
            return refuse("optimizer.llm.credential", message.to_owned());
        }
        let Some(text) = &self.endpoint else {
            return Ok(());
        };
        let endpoint = Endpoint::parse(text).map_err(|message| InvalidLlmSetting {
            key: "optimizer.llm.endpoint",
            message,
        })?;
        let has_key = self.credential.is_some() || self.credential_file.is_some();
        if has_key && !endpoint.is_private() {
            let message =
                "is plain http to another host, where everybody on the way could read the key: use https";
            return refuse("optimizer.llm.endpoint", message.to_owned());
        }
        if self.model.as_deref().is_none_or(|model| model.trim().is_empty()) {
            let message = "is missing: set it to the name by which the endpoint knows the model";
            return refuse("optimizer.llm.model", message.to_owned());
        }
        Ok(())
    }
}

impl BudgetSettings {
    /// Tells whether every price is known, so that money can be counted.
    #[must_use]
    pub const fn has_prices(&self) -> bool {
        self.price_per_million_prompt_tokens.is_some() && self.price_per_million_answer_tokens.is_some()
    }

    fn validate(&self) -> Result<(), InvalidLlmSetting> {
        let limits = [
            ("optimizer.llm.budget.max_cost_per_job", self.max_cost_per_job),
            ("optimizer.llm.budget.max_cost_per_day", self.max_cost_per_day),
        ];
        match limits.into_iter().find(|(_, limit)| limit.is_some() && !self.has_prices()) {
            Some((key, _)) => Err(InvalidLlmSetting {
                key,
                message: "needs the prices: set `optimizer.llm.budget.price_per_million_prompt_tokens` and \
                          `optimizer.llm.budget.price_per_million_answer_tokens`, to 0 for a model that costs nothing"
                    .to_owned(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
