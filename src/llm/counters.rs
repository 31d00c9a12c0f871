//! What was asked and what came of it, since the start.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// Counts, each on its own.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Requests that were sent, repetitions included.
    pub(super) calls: AtomicU64,
    /// Of these, repetitions.
    pub(super) retries: AtomicU64,
    /// Requests that failed, whether they were repeated or not.
    pub(super) failures: AtomicU64,
    /// Answers of which no text could be taken.
    pub(super) unusable_answers: AtomicU64,
    /// Tokens that were sent.
    pub(super) prompt_tokens: AtomicU64,
    /// Tokens that were answered.
    pub(super) answer_tokens: AtomicU64,
    /// Money, in billionths.
    pub(super) cost_nanos: AtomicU64,
    /// Answers that were kept and served.
    pub(super) cache_hits: AtomicU64,
    /// Answers that were not there.
    pub(super) cache_misses: AtomicU64,
    /// Kept answers that are damaged.
    pub(super) cache_damaged: AtomicU64,
    /// Answers that could not be kept.
    pub(super) cache_failures: AtomicU64,
    /// Calls that a budget forbade.
    pub(super) budget_refusals: AtomicU64,
}

/// How the language model is, since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LlmStatus {
    /// The model that is asked.
    pub model: String,
    /// Requests that are on their way.
    pub calls_in_flight: u64,
    /// The limit.
    pub max_concurrent_calls: u64,
    /// Requests that were sent, repetitions included.
    pub calls: u64,
    /// Of these, repetitions.
    pub retries: u64,
    /// Requests that failed, whether they were repeated or not.
    pub failures: u64,
    /// Answers of which no text could be taken.
    pub unusable_answers: u64,
    /// Calls that a budget forbade.
    pub budget_refusals: u64,
    /// Tokens that were sent.
    pub prompt_tokens: u64,
    /// Tokens that were answered.
    pub answer_tokens: u64,
    /// What they cost, in the currency of the prices; null without prices.
    #[schema(required)]
    pub cost: Option<f64>,
    /// Tokens of this day (UTC), with what is set aside for calls on their way; null when that is not known.
    #[schema(required)]
    pub tokens_today: Option<u64>,
    /// What this day cost.
    #[schema(required)]
    pub cost_today: Option<f64>,
    /// Answers that were kept and served.
    pub cache_hits: u64,
    /// Answers that were not there.
    pub cache_misses: u64,
    /// Kept answers that are damaged.
    pub cache_damaged: u64,
    /// Answers that could not be kept.
    pub cache_failures: u64,
    /// Answers that are kept.
    pub cache_answers: u64,
    /// What these take on the disk.
    pub cache_bytes: u64,
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    /// Returns the counts of now; the rest of the status is for those who know it.
    pub(super) fn snapshot(&self) -> LlmStatus {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LlmStatus {
            calls: of(&self.calls),
            retries: of(&self.retries),
            failures: of(&self.failures),
            unusable_answers: of(&self.unusable_answers),
            budget_refusals: of(&self.budget_refusals),
            prompt_tokens: of(&self.prompt_tokens),
            answer_tokens: of(&self.answer_tokens),
            cost: Some(of(&self.cost_nanos) as f64 / 1e9),
            cache_hits: of(&self.cache_hits),
            cache_misses: of(&self.cache_misses),
            cache_damaged: of(&self.cache_damaged),
            cache_failures: of(&self.cache_failures),
            ..LlmStatus::default()
        }
    }
}
