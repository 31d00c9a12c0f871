//! [`LanguageModel`]: the handle through which everybody asks.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::credential::CredentialSource;

use super::answer::Completion;
use super::answer_cache::{AnswerCache, KeptAnswer};
use super::budget::{JobBudget, Prices, Spent};
use super::caller::{Caller, day};
use super::client::EndpointClient;
use super::counters::{Counters, LlmStatus, count};
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
    caller: Caller,
    max_concurrent_calls: usize,
    cache: Arc<AnswerCache>,
    in_flight: InFlight,
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
        let credential = CredentialSource::of(
            "optimizer.llm",
            settings.credential.as_deref(),
            settings.credential_file.as_deref(),
            places.credentials_dir.as_deref(),
        );
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
        let caller = Caller {
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
            permits: Semaphore::new(max_concurrent_calls),
            bucket: Mutex::new(Bucket::new(
                settings.max_calls_per_minute,
                settings.max_burst_calls,
            )),
            breaker: Mutex::default(),
            since: Instant::now(),
            spending: open_spending(settings, places),
            counters,
        };
        Ok(Some(Self(Arc::new(Parts {
            caller,
            max_concurrent_calls,
            cache: Arc::new(cache),
            in_flight: InFlight::default(),
        }))))
    }

    /// Returns the name of the model.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.caller.parameters.model
    }

    /// Tells whether money can be counted.
    #[must_use]
    pub fn has_prices(&self) -> bool {
        self.0.caller.prices.is_some()
    }

    /// Rewrites a text. A kept answer costs nothing; otherwise the worst case of the call is set aside before it is made,
    /// and the answer is durable before this returns.
    ///
    /// # Errors
    /// [`LlmError`] has no part of the text.
    pub async fn rewrite(&self, task: &Task<'_>) -> Result<Rewritten, LlmError> {
        let ask = Ask::new(task.strategy, task.text);
        let key = ask.key(&self.0.caller.parameters, task.round);
        let _turn = self.0.in_flight.turn(&key).await;
        let kept = self.0.cache.get(&key, &task.job.job_id).await;
        let answer = match kept {
            Some(answer) => answer,
            None => self.0.ask(&ask, key, task.job).await?,
        };
        let text = answer.completion().text(&ask);
        let text = text.inspect_err(|_| count(&self.0.caller.counters.unusable_answers))?;
        Ok(Rewritten {
            text,
            model_use: self.0.use_of(&answer, &task.job.job_id),
        })
    }

    /// Returns the tokens and the money that a job has spent; no money where the prices are not known.
    pub async fn spent_by(&self, job_id: &str) -> (u64, Option<f64>) {
        let spent = self.0.caller.spending.spent_by(job_id).await;
        (spent.tokens, self.0.caller.prices.map(|_| spent.money()))
    }

    /// Returns how it is.
    #[must_use]
    pub fn status(&self) -> LlmStatus {
        let Parts {
            caller,
            max_concurrent_calls,
            cache,
            ..
        } = self.0.as_ref();
        let today = caller.spending.spent_on(&day());
        let (cache_answers, cache_bytes) = cache.size();
        let (counted, has_prices) = (caller.counters.snapshot(), caller.prices.is_some());
        let free = caller.permits.available_permits();
        LlmStatus {
            model: caller.parameters.model.clone(),
            calls_in_flight: max_concurrent_calls.saturating_sub(free) as u64,
            max_concurrent_calls: *max_concurrent_calls as u64,
            cost: counted.cost.filter(|_| has_prices),
            tokens_today: today.map(|spent| spent.tokens),
            cost_today: today.filter(|_| has_prices).map(Spent::money),
            cache_answers,
            cache_bytes,
            ..counted
        }
    }
}

impl Parts {
    /// Asks, and keeps the answer.
    async fn ask(&self, ask: &Ask, key: String, job: &JobBudget) -> Result<KeptAnswer, LlmError> {
        let (completion, usage) = self.caller.ask(ask, job).await?;
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

    fn use_of(&self, answer: &KeptAnswer, job_id: &str) -> ModelUse {
        let prices = self.caller.prices;
        ModelUse {
            model: self.caller.parameters.model.clone(),
            prompt_tokens: answer.usage.prompt_tokens,
            answer_tokens: answer.usage.answer_tokens,
            cost: prices.map(|_| Spent::of(answer.usage, prices).money()),
            // One that this job paid for before a restart is its own.
            is_kept: answer.job_id != job_id,
        }
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

impl fmt::Debug for LanguageModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LanguageModel")
            .field("model", &self.name())
            .finish_non_exhaustive()
    }
}
