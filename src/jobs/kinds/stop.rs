//! When an optimisation begins no further prompt though there are some.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::each::Pace;
use super::import_result::FailedPrompt;
use super::optimize_result::OptimizedPrompt;
use super::{JobError, Params};

/// What stops an optimisation early. Absent conditions stop nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct StopConditions {
    /// So many prompts have an accepted candidate.
    max_accepted: Option<u64>,
    /// So many prompts could not be done.
    max_failures: Option<u64>,
    /// So many seconds have passed. A job that a crash cut off begins to count anew.
    max_seconds: Option<u64>,
}

impl StopConditions {
    /// Takes the parameters.
    pub(super) fn read(params: &mut Params) -> Result<Self, JobError> {
        Ok(Self {
            max_accepted: params.positive_count("max_accepted")?,
            max_failures: params.positive_count("max_failures")?,
            max_seconds: params.positive_count("max_seconds")?,
        })
    }

    /// Begins to count.
    pub(super) fn watch(&self) -> StopWatch {
        StopWatch {
            conditions: self.clone(),
            began: Instant::now(),
            accepted: 0,
            failed: 0,
            reason: None,
        }
    }
}

/// How far an optimisation is from its conditions.
#[derive(Debug)]
pub(super) struct StopWatch {
    conditions: StopConditions,
    began: Instant,
    accepted: u64,
    failed: u64,
    reason: Option<String>,
}

impl StopWatch {
    /// Returns what kept prompts from being begun.
    pub(super) fn into_reason(self) -> Option<String> {
        self.reason
    }

    fn met(&self) -> Option<String> {
        let StopConditions {
            max_accepted,
            max_failures,
            max_seconds,
        } = &self.conditions;
        let reached = |most: &Option<u64>, now: u64| most.filter(|most| now >= *most);
        if let Some(most) = reached(max_accepted, self.accepted) {
            return Some(format!(
                "max_accepted is {most}, and so many prompts have an accepted candidate"
            ));
        }
        if let Some(most) = reached(max_failures, self.failed) {
            return Some(format!(
                "max_failures is {most}, and so many prompts could not be done"
            ));
        }
        let most = max_seconds.filter(|most| self.began.elapsed() >= Duration::from_secs(*most))?;
        Some(format!("max_seconds is {most}, and so many have passed"))
    }
}

/// With `max_accepted` no prompt is begun while those at work might reach it. Which prompts are done then depends on the
/// texts alone, also after a crash.
impl Pace<Result<Option<OptimizedPrompt>, FailedPrompt>> for StopWatch {
    fn may_begin(&mut self, running: usize) -> bool {
        self.reason = self.met();
        let might_reach = |most: u64| self.accepted + running as u64 >= most;
        self.reason.is_none() && !self.conditions.max_accepted.is_some_and(might_reach)
    }

    fn saw(&mut self, result: &Result<Option<OptimizedPrompt>, FailedPrompt>) {
        match result {
            Ok(prompt) => {
                let is_accepted = prompt.as_ref().is_some_and(|prompt| prompt.best.is_some());
                self.accepted += u64::from(is_accepted);
            }
            Err(_) => self.failed += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::kinds::optimize_result::ScoreReport;

    fn watch(conditions: &StopConditions, seen: &[Option<bool>]) -> StopWatch {
        let mut watch = conditions.watch();
        for one in seen {
            let id = "p".parse().unwrap();
            watch.saw(&match one {
                Some(is_accepted) => Ok(Some(OptimizedPrompt {
                    prompt_id: id,
                    pointer: String::new(),
                    kind: String::new(),
                    from: None,
                    imported: false,
                    score: ScoreReport::default(),
                    tests: None,
                    left_alone: None,
                    candidates: Vec::new(),
                    best: is_accepted.then_some(0),
                    skipped: Vec::new(),
                })),
                None => Err(FailedPrompt {
                    prompt_id: id,
                    code: String::new(),
                    message: String::new(),
                }),
            });
        }
        watch
    }

    fn check(
        conditions: &StopConditions,
        seen: &[Option<bool>],
        running: usize,
        expected: (bool, Option<&str>),
    ) {
        let mut watch = watch(conditions, seen);
        let may = watch.may_begin(running);
        let reason = watch.into_reason();
        let begins = reason.as_deref().map(|reason| reason.split(',').next().unwrap());
        assert_eq!((may, begins), expected, "{conditions:?} {seen:?} {running}");
    }

    #[test]
    fn no_prompt_is_begun_that_might_be_one_too_many() {
        let two = StopConditions {
            max_accepted: Some(2),
            ..StopConditions::default()
        };
        check(&two, &[], 1, (true, None));
        check(&two, &[], 2, (false, None));
        check(&two, &[Some(true), Some(false)], 0, (true, None));
        check(&two, &[Some(true)], 1, (false, None));
        check(
            &two,
            &[Some(true), Some(true)],
            0,
            (false, Some("max_accepted is 2")),
        );
        let one = StopConditions {
            max_failures: Some(1),
            ..StopConditions::default()
        };
        check(&one, &[Some(true)], 9, (true, None));
        check(&one, &[None], 9, (false, Some("max_failures is 1")));
        check(&StopConditions::default(), &[None, None], 99, (true, None));
    }

    #[tokio::test(start_paused = true)]
    async fn time_stops_when_it_is_up() {
        let conditions = StopConditions {
            max_seconds: Some(5),
            ..StopConditions::default()
        };
        let mut watch = conditions.watch();
        tokio::time::advance(Duration::from_millis(4_999)).await;
        assert!(watch.may_begin(0));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!watch.may_begin(0));
        assert_eq!(
            watch.into_reason().unwrap(),
            "max_seconds is 5, and so many have passed"
        );
    }
}
