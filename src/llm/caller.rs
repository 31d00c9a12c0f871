//! Makes calls: permit, pace, key, budget, exchange, and once more when that may help.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use crate::credential::{CredentialError, CredentialSource, Secret};
use crate::log_events::LogEvent;

use super::answer::{AnswerError, Completion, Usage};
use super::breaker::Breaker;
use super::budget::{JobBudget, Prices, Spent};
use super::client::{CallError, EndpointClient};
use super::counters::{Counters, count};
use super::error::LlmError;
use super::rate_limit::Bucket;
use super::request::{Ask, Parameters};
use super::retry::RetryPolicy;
use super::spending::{Held, Spending};
use crate::model::Timestamp;

/// What calls are made with.
pub(super) struct Caller {
    pub(super) client: EndpointClient,
    pub(super) credential: CredentialSource,
    pub(super) parameters: Parameters,
    pub(super) prices: Option<Prices>,
    pub(super) retry: RetryPolicy,
    pub(super) permits: Semaphore,
    pub(super) bucket: Mutex<Bucket>,
    pub(super) breaker: Mutex<Breaker>,
    pub(super) since: Instant,
    pub(super) spending: Spending,
    pub(super) counters: Arc<Counters>,
}

impl Caller {
    /// Asks until there is an answer.
    ///
    /// # Errors
    /// [`LlmError`] when there will be none.
    pub(super) async fn ask(&self, ask: &Ask, job: &JobBudget) -> Result<(Completion, Usage), LlmError> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let error = match self.attempt(ask, job, attempts).await? {
                Ok((completion, usage)) => {
                    let completion = completion.inspect_err(|_| count(&self.counters.unusable_answers))?;
                    return Ok((completion, usage));
                }
                Err(error) => error,
            };
            count(&self.counters.failures);
            let pause = self.retry.pause(attempts, error.retry_after(), chance());
            let Some(pause) = pause.filter(|_| error.is_transient()) else {
                self.note(!error.is_transient());
                tracing::warn!(event = %LogEvent::ModelSilent, %error, attempts, "the language model gave no answer");
                return Err(LlmError::Call { error, attempts });
            };
            tracing::debug!(%error, attempts, ?pause, "the language model is asked again");
            sleep(pause).await;
        }
    }

    /// Makes one call: the outer error is final, the inner one may pass.
    async fn attempt(
        &self,
        ask: &Ask,
        job: &JobBudget,
        attempt: u32,
    ) -> Result<Result<Answered, CallError>, LlmError> {
        let _permit = self.permits.acquire().await;
        if !self.lock_breaker().may_ask(self.since.elapsed()) {
            return Err(LlmError::Resting);
        }
        sleep(self.take_turn()).await;
        let key = self.read_key().await?;
        let worst = Usage {
            prompt_tokens: ask.max_prompt_tokens(),
            answer_tokens: self.parameters.max_answer_tokens,
        };
        let held = self
            .spending
            .reserve(&day(), job, Spent::of(worst, self.prices))
            .await;
        let held = held.map_err(LlmError::from).inspect_err(|error| {
            if matches!(error, LlmError::OverBudget(_)) {
                count(&self.counters.budget_refusals);
            }
        })?;
        count(&self.counters.calls);
        if attempt > 1 {
            count(&self.counters.retries);
        }
        Ok(self.send(ask, key.as_ref(), worst, held).await)
    }

    /// Sends the request, and settles what was set aside for it. What is not settled stays spent.
    async fn send(
        &self,
        ask: &Ask,
        key: Option<&Secret>,
        worst: Usage,
        held: Held<'_>,
    ) -> Result<Answered, CallError> {
        match self.client.send(ask.body(&self.parameters), key).await {
            Ok(body) => {
                self.note(true);
                let completion = Completion::parse(&body);
                // An endpoint that does not say what it took has taken the worst.
                let told = completion.as_ref().ok().and_then(|completion| completion.usage);
                let usage = told.unwrap_or(worst);
                held.settle(Spent::of(usage, self.prices)).await;
                self.count_usage(usage);
                Ok((completion, usage))
            }
            Err(error) => {
                if error.may_have_cost() {
                    self.count_usage(worst);
                } else {
                    held.settle(Spent::default()).await;
                }
                Err(error)
            }
        }
    }

    /// Reads the key anew for each call, so that it can be changed while promptd runs.
    async fn read_key(&self) -> Result<Option<Secret>, LlmError> {
        let source = self.credential.clone();
        let read = tokio::task::spawn_blocking(move || source.read()).await;
        read.unwrap_or_else(|_| Err(CredentialError::unread()))
            .map_err(LlmError::from)
    }

    /// Takes a place in the sequence of calls, and returns how long to wait for it.
    fn take_turn(&self) -> Duration {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(self.since.elapsed())
    }

    /// Notes whether the endpoint answered, be it with a refusal.
    fn note(&self, has_answered: bool) {
        let mut breaker = self.lock_breaker();
        match has_answered {
            true => breaker.answered(),
            false => breaker.failed(self.since.elapsed()),
        }
    }

    fn lock_breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_usage(&self, usage: Usage) {
        let counters = &self.counters;
        let add = |counter: &AtomicU64, more| counter.fetch_add(more, Ordering::Relaxed);
        add(&counters.prompt_tokens, usage.prompt_tokens);
        add(&counters.answer_tokens, usage.answer_tokens);
        add(&counters.cost_nanos, Spent::of(usage, self.prices).nanos);
    }
}

/// A completion or something that is none, and what it took.
type Answered = (Result<Completion, AnswerError>, Usage);

/// Returns the present day (UTC).
pub(super) fn day() -> String {
    Timestamp::now().as_str().chars().take(10).collect()
}

/// Returns a number from 0 to 1.
fn chance() -> f64 {
    let [byte, ..] = uuid::Uuid::new_v4().into_bytes();
    f64::from(byte) / 255.0
}
