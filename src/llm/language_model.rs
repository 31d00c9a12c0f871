//! [`LanguageModel`]: the handle through which everybody asks.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::answer::{Completion, Usage};
use super::answer_cache::{AnswerCache, KeptAnswer};
use super::breaker::Breaker;
use super::budget::{JobBudget, Prices, Spent};
use super::client::{CallError, EndpointClient};
use super::counters::{Counters, LlmStatus, count};
use super::credential::{CredentialError, CredentialSource, Secret};
use super::endpoint::Endpoint;
use super::error::LlmError;
use super::in_flight::InFlight;
use super::rate_limit::Bucket;
use super::request::{Ask, Parameters};
use super::retry::RetryPolicy;
use super::settings::LlmSettings;
use super::spending::Spending;
use crate::model::{ModelUse, OptimizationStrategy, Timestamp};
use crate::storage::filesystem::disk::{Disk, RealDisk, StoreLock};

/// The file whose lock keeps a second daemon away from the book of what is spent.
const LOCK: &str = ".lock";

/// Where files of the language model are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LlmPlaces {
    /// For the book of what is spent; none keeps it in memory.
    pub state_dir: Option<PathBuf>,
    /// For answers; none keeps no answers.
    pub answers_dir: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`.
    pub credentials_dir: Option<PathBuf>,
}

/// A text to rewrite.
#[derive(Debug)]
pub struct Task<'a> {
    /// How; one that [needs a model](OptimizationStrategy::needs_model).
    pub strategy: OptimizationStrategy,
    /// The text.
    pub text: &'a str,
    /// The round of the strategy, from 1.
    pub round: usize,
    /// Who pays.
    pub job: &'a JobBudget,
}

/// A text that the model wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewritten {
    /// The text, with its references in place.
    pub text: String,
    /// What it took.
    pub model_use: ModelUse,
}

/// A language model behind an endpoint. Cheap to clone. Dropping a future of it ends the call.
#[derive(Clone)]
pub struct LanguageModel(Arc<Parts>);

struct Parts {
    client: EndpointClient,
    credential: CredentialSource,
    parameters: Parameters,
    prices: Option<Prices>,
    retry: RetryPolicy,
    max_concurrent_calls: usize,
    permits: Semaphore,
    bucket: Mutex<Bucket>,
    breaker: Mutex<Breaker>,
    since: Instant,
    spending: Spending,
    cache: Arc<AnswerCache>,
    in_flight: InFlight,
    counters: Arc<Counters>,
}

impl LanguageModel {
    /// Prepares to ask the model of the settings; `None` when there is none. Blocks on the disk.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn open(settings: &LlmSettings, places: &LlmPlaces) -> Result<Option<Self>, String> {
        settings.validate().map_err(|error| error.to_string())?;
        let (Some(endpoint), Some(model)) = (&settings.endpoint, &settings.model) else {
            return Ok(None);
        };
        let endpoint =
            Endpoint::parse(endpoint).map_err(|error| format!("optimizer.llm.endpoint {error}"))?;
        let credential = CredentialSource::of(settings, places.credentials_dir.as_deref());
        let credential = credential.map_err(|error| error.to_string())?;
        // A key that is not there is told now, not in the middle of the first job.
        credential.read().map_err(|error| error.to_string())?;
        let timeout = Duration::from_millis(settings.timeout_ms);
        let counters = Arc::<Counters>::default();
        let cache = AnswerCache::open(
            places.answers_dir.as_deref().and_then(answers_disk),
            settings.cache.max_bytes,
            settings.cache.max_age_days,
            Arc::clone(&counters),
        );
        let max_concurrent_calls = settings.max_concurrent_calls.min(Semaphore::MAX_PERMITS);
        Ok(Some(Self(Arc::new(Parts {
            client: EndpointClient::new(&endpoint, timeout, settings.max_answer_bytes)?,
            credential,
            parameters: Parameters {
                endpoint: endpoint.identity(),
                model: model.clone(),
                temperature: settings.temperature,
                max_answer_tokens: settings.max_answer_tokens,
                answer_limit_field: settings.answer_limit_field,
            },
            prices: Prices::of(&settings.budget),
            retry: RetryPolicy::of(settings),
            max_concurrent_calls,
            permits: Semaphore::new(max_concurrent_calls),
            bucket: Mutex::new(Bucket::new(
                settings.max_calls_per_minute,
                settings.max_burst_calls,
            )),
            breaker: Mutex::default(),
            since: Instant::now(),
            spending: open_spending(settings, places),
            cache: Arc::new(cache),
            in_flight: InFlight::default(),
            counters,
        }))))
    }

    /// Returns the name of the model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.parameters.model
    }

    /// Tells whether money can be counted.
    #[must_use]
    pub fn has_prices(&self) -> bool {
        self.0.prices.is_some()
    }

    /// Rewrites a text. A kept answer costs nothing; otherwise the worst case of the call is set aside before it is made,
    /// and the answer is durable before this returns.
    ///
    /// # Errors
    /// [`LlmError`] has no part of the text.
    pub async fn rewrite(&self, task: &Task<'_>) -> Result<Rewritten, LlmError> {
        let ask = Ask::new(task.strategy, task.text);
        let key = ask.key(&self.0.parameters, task.round);
        let _turn = self.0.in_flight.turn(&key).await;
        let kept = self.0.cache.get(&key, &task.job.job_id).await;
        let answer = match kept {
            Some(answer) => answer,
            None => self.0.ask(&ask, key, task.job).await?,
        };
        let text = answer.completion().text(&ask);
        let text = text.inspect_err(|_| count(&self.0.counters.unusable_answers))?;
        Ok(Rewritten {
            text,
            model_use: self.0.use_of(&answer, &task.job.job_id),
        })
    }

    /// Returns the tokens and the money that a job has spent; no money where the prices are not known.
    pub async fn spent_by(&self, job_id: &str) -> (u64, Option<f64>) {
        let spent = self.0.spending.spent_by(job_id).await;
        (spent.tokens, self.0.prices.map(|_| spent.money()))
    }

    /// Returns how it is.
    #[must_use]
    pub fn status(&self) -> LlmStatus {
        let parts = &self.0;
        let today = parts.spending.spent_on(&day());
        let (cache_answers, cache_bytes) = parts.cache.size();
        let counted = parts.counters.snapshot();
        LlmStatus {
            model: parts.parameters.model.clone(),
            calls_in_flight: parts
                .max_concurrent_calls
                .saturating_sub(parts.permits.available_permits()) as u64,
            max_concurrent_calls: parts.max_concurrent_calls as u64,
            cost: counted.cost.filter(|_| parts.prices.is_some()),
            tokens_today: today.map(|spent| spent.tokens),
            cost_today: today.filter(|_| parts.prices.is_some()).map(Spent::money),
            cache_answers,
            cache_bytes,
            ..counted
        }
    }
}

impl Parts {
    /// Asks until there is an answer, and keeps it.
    async fn ask(&self, ask: &Ask, key: String, job: &JobBudget) -> Result<KeptAnswer, LlmError> {
        let mut attempts = 0;
        let (completion, usage) = loop {
            attempts += 1;
            let error = match self.attempt(ask, job, attempts).await? {
                Ok(answer) => break answer,
                Err(error) => error,
            };
            count(&self.counters.failures);
            let asked = error.retry_after();
            let pause = self
                .retry
                .pause(attempts, asked, chance())
                .filter(|_| error.is_transient());
            let Some(pause) = pause else {
                let is_down = error.is_transient();
                self.breaker(|breaker, now| {
                    if is_down {
                        breaker.failed(now)
                    } else {
                        breaker.answered()
                    }
                });
                tracing::warn!(%error, attempts, "the language model gave no answer");
                return Err(LlmError::Call { error, attempts });
            };
            tracing::debug!(%error, attempts, ?pause, "the language model is asked again");
            sleep(pause).await;
        };
        let answer = KeptAnswer {
            key,
            job_id: job.job_id.clone(),
            is_usable: completion.text(ask).is_ok(),
            content: completion.content,
            is_cut_off: completion.is_cut_off,
            usage,
            created_at: Timestamp::now(),
        };
        self.cache.put(answer.clone()).await;
        Ok(answer)
    }

    /// Makes one call: the outer error is final, the inner one may pass.
    async fn attempt(
        &self,
        ask: &Ask,
        job: &JobBudget,
        attempt: u32,
    ) -> Result<Result<(Completion, Usage), CallError>, LlmError> {
        let _permit = self.permits.acquire().await;
        if !self.breaker(|breaker, now| breaker.may_ask(now)) {
            return Err(LlmError::Resting);
        }
        let wait = {
            let now = self.since.elapsed();
            self.bucket
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(now)
        };
        sleep(wait).await;
        let key = self.read_key().await?;
        let worst = Usage {
            prompt_tokens: ask.max_prompt_tokens(),
            answer_tokens: self.parameters.max_answer_tokens,
        };
        let worst_spent = Spent::of(worst, self.prices);
        let reservation = self
            .spending
            .reserve(&day(), job, worst_spent)
            .await
            .map_err(LlmError::from);
        let reservation = reservation.inspect_err(|_| count(&self.counters.budget_refusals))?;
        count(&self.counters.calls);
        if attempt > 1 {
            count(&self.counters.retries);
        }
        match self.client.send(ask.body(&self.parameters), key.as_ref()).await {
            Ok(body) => {
                self.breaker(|breaker, _| breaker.answered());
                let completion = Completion::parse(&body);
                // An endpoint that does not say what it took has taken the worst.
                let usage = completion
                    .as_ref()
                    .ok()
                    .and_then(|completion| completion.usage)
                    .unwrap_or(worst);
                self.spending
                    .settle(&reservation, Spent::of(usage, self.prices))
                    .await;
                self.count_usage(usage);
                let completion = completion.inspect_err(|_| count(&self.counters.unusable_answers))?;
                Ok(Ok((completion, usage)))
            }
            Err(error) if error.may_have_cost() => {
                self.count_usage(worst);
                Ok(Err(error))
            }
            Err(error) => {
                self.spending.settle(&reservation, Spent::default()).await;
                Ok(Err(error))
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

    fn count_usage(&self, usage: Usage) {
        let counters = &self.counters;
        counters
            .prompt_tokens
            .fetch_add(usage.prompt_tokens, Ordering::Relaxed);
        counters
            .answer_tokens
            .fetch_add(usage.answer_tokens, Ordering::Relaxed);
        counters
            .cost_nanos
            .fetch_add(Spent::of(usage, self.prices).nanos, Ordering::Relaxed);
    }

    fn use_of(&self, answer: &KeptAnswer, job_id: &str) -> ModelUse {
        ModelUse {
            model: self.parameters.model.clone(),
            prompt_tokens: answer.usage.prompt_tokens,
            answer_tokens: answer.usage.answer_tokens,
            cost: self.prices.map(|_| Spent::of(answer.usage, self.prices).money()),
            // One that this job paid for before a restart is its own.
            is_kept: answer.job_id != job_id,
        }
    }

    fn breaker<T>(&self, look: impl FnOnce(&mut Breaker, Duration) -> T) -> T {
        let now = self.since.elapsed();
        look(
            &mut self.breaker.lock().unwrap_or_else(PoisonError::into_inner),
            now,
        )
    }
}

impl KeptAnswer {
    fn completion(&self) -> Completion {
        Completion {
            content: self.content.clone(),
            is_cut_off: self.is_cut_off,
            usage: Some(self.usage),
        }
    }
}

fn open_spending(settings: &LlmSettings, places: &LlmPlaces) -> Spending {
    let disk = places.state_dir.as_deref().map(open_own).transpose();
    Spending::open(settings.budget.clone(), disk)
}

/// Answers that cannot be kept are asked for again, which is no reason to ask nothing at all.
fn answers_disk(path: &Path) -> Option<Arc<dyn Disk>> {
    let disk = open_disk(path);
    let disk =
        disk.inspect_err(|reason| tracing::warn!(reason, "answers of the language model are not kept"));
    Some(Arc::new(disk.ok()?))
}

fn open_disk(path: &Path) -> Result<RealDisk, String> {
    RealDisk::open(path).map_err(|error| format!("{} cannot be used: {error}", path.display()))
}

/// Opens the directory of the book, and keeps other daemons out of it: two would each spend a whole budget.
fn open_own(path: &Path) -> Result<(Arc<dyn Disk>, StoreLock), String> {
    let disk = open_disk(path)?;
    let lock = disk.lock(Path::new(LOCK)).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => format!("{} is used by another promptd", path.display()),
        _ => format!("{} cannot be used: {error}", path.display()),
    })?;
    Ok((Arc::new(disk), lock))
}

/// Returns the present day (UTC).
fn day() -> String {
    Timestamp::now().as_str().chars().take(10).collect()
}

/// Returns a number from 0 to 1.
fn chance() -> f64 {
    let [byte, ..] = uuid::Uuid::new_v4().into_bytes();
    f64::from(byte) / 255.0
}

impl fmt::Debug for LanguageModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanguageModel")
            .field("model", &self.name())
            .finish_non_exhaustive()
    }
}
