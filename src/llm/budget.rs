//! What may be spent: decided before a call by its worst case, settled by what it took.
//!
//! Pure: no clock, no disk. [`Spending`](super::spending::Spending) keeps the book on disk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::answer::Usage;
use super::settings::BudgetSettings;

/// Parts of one unit of money in which is counted, so that sums stay exact.
const NANOS: f64 = 1e9;
/// How many jobs are remembered; those that spent something longest ago are forgotten first.
const MAX_JOBS: usize = 200;

/// Tokens and money.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spent {
    /// Tokens of messages and answers.
    pub(super) tokens: u64,
    /// Money, in billionths.
    pub(super) nanos: u64,
}

/// What tokens cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prices {
    prompt: f64,
    answer: f64,
}

/// The most that may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ceiling {
    tokens: u64,
    nanos: Option<u64>,
}

/// What one job may spend, besides what every job may.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobBudget {
    /// The job.
    pub job_id: String,
    /// The most tokens.
    pub max_tokens: Option<u64>,
    /// The most money.
    pub max_cost: Option<f64>,
}

/// Which budget is used up.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("a call may take {wanted} {unit}, and of {limit} {unit} {left} are left ({key})")]
pub struct OverBudget {
    /// What the call may take.
    pub wanted: f64,
    /// What there was in all.
    pub limit: f64,
    /// What is left of it.
    pub left: f64,
    /// `tokens`, or `of money`.
    pub unit: &'static str,
    /// The configuration key of the limit, or the parameter of the job.
    pub key: &'static str,
}

/// What was spent today, and by each job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    /// The day (UTC), as `2026-11-28`.
    day: String,
    today: Spent,
    jobs: BTreeMap<String, JobSpent>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct JobSpent {
    /// The last day on which it spent something.
    day: String,
    spent: Spent,
}

/// What was set aside for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reservation {
    day: String,
    job_id: String,
    worst: Spent,
}

impl Prices {
    pub(super) fn of(settings: &BudgetSettings) -> Option<Self> {
        Some(Self {
            prompt: settings.price_per_million_prompt_tokens?,
            answer: settings.price_per_million_answer_tokens?,
        })
    }
}

impl Spent {
    /// Counts tokens, and money where the prices are known; a fraction of a billionth counts as a whole one.
    pub(super) fn of(usage: Usage, prices: Option<Prices>) -> Self {
        let nanos = prices.map_or(0.0, |prices| {
            let of = |tokens: u64, per_million: f64| tokens as f64 * per_million * (NANOS / 1e6);
            (of(usage.prompt_tokens, prices.prompt) + of(usage.answer_tokens, prices.answer)).ceil()
        });
        Self {
            tokens: usage.prompt_tokens.saturating_add(usage.answer_tokens),
            nanos: nanos as u64,
        }
    }

    /// Returns the money in whole units.
    pub(super) fn money(self) -> f64 {
        self.nanos as f64 / NANOS
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_add(other.tokens),
            nanos: self.nanos.saturating_add(other.nanos),
        }
    }

    const fn minus(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            nanos: self.nanos.saturating_sub(other.nanos),
        }
    }
}

impl Ceiling {
    fn new(tokens: u64, money: Option<f64>) -> Self {
        Self {
            tokens,
            nanos: money.map(|money| (money * NANOS).floor() as u64),
        }
    }

    /// Tells what is missing for `wanted` on top of `spent`.
    fn check(&self, spent: Spent, wanted: Spent, keys: [&'static str; 2]) -> Result<(), OverBudget> {
        let [tokens_key, money_key] = keys;
        if spent.tokens.saturating_add(wanted.tokens) > self.tokens {
            return Err(OverBudget {
                wanted: wanted.tokens as f64,
                limit: self.tokens as f64,
                left: self.tokens.saturating_sub(spent.tokens) as f64,
                unit: "tokens",
                key: tokens_key,
            });
        }
        match self.nanos {
            Some(limit) if spent.nanos.saturating_add(wanted.nanos) > limit => Err(OverBudget {
                wanted: wanted.money(),
                limit: limit as f64 / NANOS,
                left: limit.saturating_sub(spent.nanos) as f64 / NANOS,
                unit: "of money",
                key: money_key,
            }),
            _ => Ok(()),
        }
    }
}

impl Book {
    /// Sets the worst case of a call aside, if every limit allows it.
    ///
    /// # Errors
    /// The first limit that does not.
    pub(super) fn reserve(
        &mut self,
        day: &str,
        job: &JobBudget,
        worst: Spent,
        settings: &BudgetSettings,
    ) -> Result<Reservation, OverBudget> {
        self.begin(day);
        let spent = self.spent_by(&job.job_id);
        let own = Ceiling::new(job.max_tokens.unwrap_or(u64::MAX), job.max_cost);
        own.check(spent, worst, ["max_tokens of the job", "max_cost of the job"])?;
        Ceiling::new(settings.max_tokens_per_job, settings.max_cost_per_job).check(
            spent,
            worst,
            [
                "optimizer.llm.budget.max_tokens_per_job",
                "optimizer.llm.budget.max_cost_per_job",
            ],
        )?;
        Ceiling::new(settings.max_tokens_per_day, settings.max_cost_per_day).check(
            self.today,
            worst,
            [
                "optimizer.llm.budget.max_tokens_per_day",
                "optimizer.llm.budget.max_cost_per_day",
            ],
        )?;
        self.add(day, &job.job_id, worst);
        Ok(Reservation {
            day: day.to_owned(),
            job_id: job.job_id.clone(),
            worst,
        })
    }

    /// Replaces what was set aside by what the call took, also when that is more.
    pub(super) fn settle(&mut self, reservation: &Reservation, actual: Spent) {
        // What was set aside yesterday is in the book of yesterday.
        if self.day == reservation.day {
            self.today = self.today.minus(reservation.worst).plus(actual);
        }
        if let Some(job) = self.jobs.get_mut(&reservation.job_id) {
            job.spent = job.spent.minus(reservation.worst).plus(actual);
        }
    }

    /// Returns what a job has spent, with what is set aside for it.
    pub(super) fn spent_by(&self, job_id: &str) -> Spent {
        self.jobs.get(job_id).map_or(Spent::default(), |job| job.spent)
    }

    /// Returns what was spent on a day, with what is set aside.
    pub(super) fn spent_on(&self, day: &str) -> Spent {
        if self.day == day {
            self.today
        } else {
            Spent::default()
        }
    }

    fn begin(&mut self, day: &str) {
        if self.day != day {
            day.clone_into(&mut self.day);
            self.today = Spent::default();
        }
    }

    fn add(&mut self, day: &str, job_id: &str, spent: Spent) {
        self.today = self.today.plus(spent);
        let job = self.jobs.entry(job_id.to_owned()).or_default();
        day.clone_into(&mut job.day);
        job.spent = job.spent.plus(spent);
        if self.jobs.len() > MAX_JOBS {
            let oldest = self.jobs.iter().filter(|(id, _)| *id != job_id);
            let oldest = oldest
                .min_by(|(_, a), (_, b)| a.day.cmp(&b.day))
                .map(|(id, _)| id.clone());
            oldest.map(|id| self.jobs.remove(&id));
        }
    }
}

#[cfg(test)]
mod tests;
