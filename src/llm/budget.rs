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
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: &str = "2026-11-28";

    fn settings(per_job: u64, per_day: u64) -> BudgetSettings {
        BudgetSettings {
            max_tokens_per_job: per_job,
            max_tokens_per_day: per_day,
            ..BudgetSettings::default()
        }
    }

    fn job(id: &str) -> JobBudget {
        JobBudget {
            job_id: id.into(),
            ..JobBudget::default()
        }
    }

    const fn tokens(tokens: u64) -> Spent {
        Spent { tokens, nanos: 0 }
    }

    #[test]
    fn the_worst_case_is_set_aside_and_what_was_not_taken_comes_back() {
        let (mut book, limits) = (Book::default(), settings(100, 150));
        let first = book.reserve(DAY, &job("a"), tokens(80), &limits).unwrap();
        let refused = book.reserve(DAY, &job("a"), tokens(30), &limits).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a call may take 30 tokens, and of 100 tokens 20 are left (optimizer.llm.budget.max_tokens_per_job)"
        );
        book.settle(&first, tokens(10));
        let second = book.reserve(DAY, &job("a"), tokens(90), &limits).unwrap();
        let refused = book.reserve(DAY, &job("b"), tokens(51), &limits).unwrap_err();
        assert_eq!(
            (refused.key, refused.left),
            ("optimizer.llm.budget.max_tokens_per_day", 50.0)
        );
        // More than the worst case, from an endpoint that does not keep to what it was asked.
        book.settle(&second, tokens(500));
        assert_eq!(
            (book.spent_by("a"), book.spent_on(DAY)),
            (tokens(510), tokens(510))
        );
        assert!(book.reserve(DAY, &job("b"), tokens(1), &limits).is_err());
    }

    #[test]
    fn a_new_day_begins_at_nothing_and_a_job_goes_on() {
        let (mut book, limits) = (Book::default(), settings(100, 100));
        let late = book.reserve(DAY, &job("a"), tokens(90), &limits).unwrap();
        assert_eq!(book.spent_on("2026-11-29"), tokens(0));
        let early = book
            .reserve("2026-11-29", &job("b"), tokens(95), &limits)
            .unwrap();
        book.settle(&late, tokens(60));
        assert_eq!(
            (book.spent_on("2026-11-29"), book.spent_by("a")),
            (tokens(95), tokens(60))
        );
        book.settle(&early, tokens(5));
        assert!(
            book.reserve("2026-11-29", &job("a"), tokens(41), &limits)
                .is_err()
        );
        assert!(book.reserve("2026-11-29", &job("a"), tokens(40), &limits).is_ok());
    }

    #[test]
    fn money_is_counted_up_and_limited_like_tokens() {
        let usage = |prompt_tokens, answer_tokens| Usage {
            prompt_tokens,
            answer_tokens,
        };
        let limits = BudgetSettings {
            max_cost_per_day: Some(0.01),
            price_per_million_prompt_tokens: Some(2.5),
            price_per_million_answer_tokens: Some(10.0),
            ..BudgetSettings::default()
        };
        let prices = Prices::of(&limits);
        assert_eq!(Spent::of(usage(1_000, 100), prices).money(), 0.0035);
        assert_eq!(Spent::of(usage(1_000, 100), None), tokens(1_100));
        assert_eq!(
            Spent::of(usage(u64::MAX, u64::MAX), prices),
            Spent {
                tokens: u64::MAX,
                nanos: u64::MAX
            }
        );
        let mut book = Book::default();
        book.reserve(DAY, &job("a"), Spent::of(usage(3_000, 200), prices), &limits)
            .unwrap();
        let refused = book
            .reserve(DAY, &job("a"), Spent::of(usage(0, 51), prices), &limits)
            .unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with("(optimizer.llm.budget.max_cost_per_day)"),
            "{refused}"
        );
        assert!(
            book.reserve(DAY, &job("a"), Spent::of(usage(0, 50), prices), &limits)
                .is_ok()
        );
    }

    #[test]
    fn a_job_may_ask_for_less_than_the_configuration_allows_and_not_for_more() {
        let mut book = Book::default();
        let of = |max_tokens| JobBudget {
            max_tokens: Some(max_tokens),
            ..job("a")
        };
        let refused = book
            .reserve(DAY, &of(10), tokens(11), &settings(100, 100))
            .unwrap_err();
        assert_eq!(refused.key, "max_tokens of the job");
        let refused = book
            .reserve(DAY, &of(1_000), tokens(101), &settings(100, 1_000))
            .unwrap_err();
        assert_eq!(refused.key, "optimizer.llm.budget.max_tokens_per_job");
    }

    #[test]
    fn the_book_remembers_the_newest_jobs_alone() {
        let mut book = Book::default();
        for number in 0..MAX_JOBS + 5 {
            let day = format!("2026-11-{:02}", 1 + number / 100);
            book.reserve(
                &day,
                &job(&format!("j{number:05}")),
                tokens(1),
                &settings(10, 100_000),
            )
            .unwrap();
        }
        assert_eq!((book.jobs.len(), book.spent_by("j00000")), (MAX_JOBS, tokens(0)));
        assert_eq!(book.spent_by(&format!("j{:05}", MAX_JOBS + 4)), tokens(1));
    }

    proptest! {
        #[test]
        fn what_is_spent_never_passes_a_limit_while_calls_keep_to_their_worst_case(
            calls in prop::collection::vec((0_u64..60, 0_u64..100, 0_usize..3, any::<bool>()), 0..60)
        ) {
            let (mut book, limits, mut open) = (Book::default(), settings(100, 200), Vec::new());
            for (worst, percent, who, settles) in calls {
                if let Ok(reservation) = book.reserve(DAY, &job(["a", "b", "c"][who]), tokens(worst), &limits) {
                    open.push((reservation, tokens(worst * percent / 100)));
                }
                if settles && let Some((reservation, actual)) = open.pop() {
                    book.settle(&reservation, actual);
                }
                prop_assert!(book.spent_on(DAY).tokens <= 200);
                let each = ["a", "b", "c"].map(|id| book.spent_by(id).tokens);
                prop_assert!(each.iter().all(|spent| *spent <= 100));
                prop_assert_eq!(each.iter().sum::<u64>(), book.spent_on(DAY).tokens);
            }
        }
    }
}
