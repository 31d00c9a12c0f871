//! When a run over several files stops early: each file gets what the ones before it have left.

use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::{Done, OptimizeArgs};
use crate::cli::exit::CliError;
use crate::jobs::OptimizeResult;

/// What is left of each condition; `None` is no condition.
#[derive(Debug)]
pub(super) struct Budget {
    accepted: Option<u64>,
    failures: Option<u64>,
    until: Option<(u64, Instant)>,
    /// What language models may still take.
    tokens: Option<u64>,
    money: Option<f64>,
}

impl Budget {
    /// Begins with what the arguments allow.
    pub(super) fn of(args: &OptimizeArgs) -> Self {
        // A time that no clock reaches is no condition.
        let end = |seconds| Some((seconds, Instant::now().checked_add(Duration::from_secs(seconds))?));
        Self {
            accepted: args.max_accepted,
            failures: args.max_failures,
            until: args.max_seconds.and_then(end),
            tokens: args.max_tokens,
            money: args.max_cost,
        }
    }

    /// Takes what a file has used.
    pub(super) fn spend(&mut self, outcome: &Result<Done, CliError>) {
        let (accepted, failures) = match outcome {
            Ok(done) => (done.result.improved, done.result.failed.len() as u64),
            Err(_) => (0, 1),
        };
        self.accepted = self.accepted.map(|left| left.saturating_sub(accepted));
        self.failures = self.failures.map(|left| left.saturating_sub(failures));
    }

    /// Takes what language models took for a file, whatever became of it afterwards.
    pub(super) fn spend_model(&mut self, result: &OptimizeResult) {
        let Some(model) = &result.model else { return };
        self.tokens = self.tokens.map(|left| left.saturating_sub(model.tokens));
        self.money = self.money.map(|left| (left - model.cost.unwrap_or(0.0)).max(0.0));
    }

    /// Tells which condition is met. Without tokens or money the rules still go on.
    pub(super) fn spent(&self) -> Option<String> {
        let is_late = |until: &(u64, Instant)| Instant::now() >= until.1;
        if self.accepted == Some(0) {
            Some("--max-accepted is reached".to_owned())
        } else if self.failures == Some(0) {
            Some("--max-failures is reached".to_owned())
        } else {
            let (seconds, _) = self.until.filter(is_late)?;
            Some(format!("--max-seconds {seconds} have passed"))
        }
    }

    /// Returns what is left as the parameters of a job.
    pub(super) fn params(&self) -> Map<String, Value> {
        let seconds = self
            .until
            .map(|(_, end)| end.saturating_duration_since(Instant::now()).as_secs().max(1));
        let all = [
            ("max_accepted", self.accepted),
            ("max_failures", self.failures),
            ("max_seconds", seconds),
            // A job takes no budget of none: with one token no model is asked.
            ("max_tokens", self.tokens.map(|left| left.max(1))),
        ];
        let counts = all
            .into_iter()
            .filter_map(|(key, left)| Some((key.to_owned(), Value::from(left?))));
        let money = self.money.map(|left| ("max_cost".to_owned(), Value::from(left)));
        let given = counts.chain(money);
        given.collect()
    }
}
