//! Which case starts when, which is tried again, and when it is enough.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::TokenBucket;
use crate::model::TestStatus;
use crate::variants::plan::{ExecutionPolicy, StopConditions};

/// One attempt at a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// The position of the case.
    pub case: usize,
    /// Which attempt of this run it is, from 1.
    pub number: u32,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin this attempt.
    Start(Attempt),
    /// Look again at this time, or when an attempt has ended.
    Wait(Duration),
    /// Look again when an attempt has ended.
    Busy,
    /// There is nothing more to do.
    Done,
}

/// What an attempt that has ended means for its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// It has its result.
    Final,
    /// It is tried again.
    Again,
}

/// Why a run ended early.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StopReason {
    /// `max_failures`.
    MaxFailures(u64),
    /// `min_success_rate`.
    MinSuccessRate(f64),
    /// `timeout`.
    Timeout(Duration),
}

/// The state of a run. Times count from its beginning.
#[derive(Debug)]
pub struct Schedule {
    policy: ExecutionPolicy,
    bucket: Option<TokenBucket>,
    /// What has not begun, group by group.
    waiting: VecDeque<VecDeque<usize>>,
    /// What is tried again, and from when.
    again: Vec<(Duration, Attempt)>,
    /// The next attempt, for which the token is taken, and when it may begin.
    reserved: Option<(Duration, Attempt)>,
    running: usize,
    /// Before this, nothing of the next group begins.
    not_before: Duration,
    total: u64,
    succeeded: u64,
    failed: u64,
    stopped: Option<StopReason>,
}

impl Schedule {
    /// Begins a run of these cases, in this order.
    #[must_use]
    pub fn new(policy: &ExecutionPolicy, cases: &[usize]) -> Self {
        let group = policy.batch_size.unwrap_or(cases.len()).max(1);
        let bucket = policy.rate_control;
        Self {
            bucket: bucket.map(|limit| TokenBucket::new(limit, Duration::ZERO)),
            waiting: cases
                .chunks(group)
                .map(|group| group.iter().copied().collect())
                .collect(),
            again: Vec::new(),
            reserved: None,
            running: 0,
            not_before: Duration::ZERO,
            total: cases.len() as u64,
            succeeded: 0,
            failed: 0,
            stopped: None,
            policy: policy.clone(),
        }
    }

    /// Returns why the run ended early, if it did.
    #[must_use]
    pub const fn stopped(&self) -> Option<StopReason> {
        self.stopped
    }

    /// Returns when the run has to end.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        let stop = &self.policy.stop_conditions;
        let seconds = stop
            .timeout
            .or_else(|| stop.timeout_minutes.map(|minutes| minutes * 60.0));
        seconds.map(seconds_of)
    }

    /// Returns what is to be done now. After [`Step::Start`] the attempt counts as running until [`Self::finish`].
    pub fn next(&mut self, now: Duration) -> Step {
        if let Some(deadline) = self.deadline().filter(|deadline| now >= *deadline)
            && self.stopped.is_none()
            && !self.is_done()
        {
            self.stopped = Some(StopReason::Timeout(deadline));
        }
        if self.stopped.is_some() {
            return if self.running == 0 { Step::Done } else { Step::Busy };
        }
        if self.running >= self.policy.concurrency {
            return Step::Busy;
        }
        if self.reserved.is_none() {
            match self.pick(now) {
                Ok(attempt) => {
                    let wait = self
                        .bucket
                        .as_mut()
                        .map_or(Duration::ZERO, |bucket| bucket.take(1, now));
                    self.reserved = Some((now.saturating_add(wait), attempt));
                }
                Err(step) => return step,
            }
        }
        match self.reserved {
            Some((at, attempt)) if at <= now => {
                self.reserved = None;
                self.running += 1;
                Step::Start(attempt)
            }
            Some((at, _)) => Step::Wait(at),
            None => Step::Busy,
        }
    }

    /// Takes the next attempt that may begin, retries first.
    fn pick(&mut self, now: Duration) -> Result<Attempt, Step> {
        let due = self
            .again
            .iter()
            .enumerate()
            .filter(|(_, (at, _))| *at <= now)
            .min_by_key(|(_, (at, _))| *at);
        if let Some((index, _)) = due {
            return Ok(self.again.swap_remove(index).1);
        }
        let soonest = self.again.iter().map(|(at, _)| *at).min();
        let is_open = self.not_before <= now;
        if let Some(group) = self.waiting.front_mut()
            && is_open
            && let Some(case) = group.pop_front()
        {
            return Ok(Attempt { case, number: 1 });
        }
        if let Some(soonest) = soonest {
            return Err(Step::Wait(soonest));
        }
        if self.running > 0 {
            return Err(Step::Busy);
        }
        // Nothing of the group runs, waits or is tried again: the next one, if there is one.
        if self.waiting.front().is_some_and(VecDeque::is_empty) {
            self.waiting.pop_front();
            if !self.waiting.is_empty() {
                self.not_before = now.saturating_add(seconds_of(self.policy.backoff_seconds));
                return self.pick(now);
            }
        }
        if self.waiting.is_empty() {
            Err(Step::Done)
        } else {
            Err(Step::Wait(self.not_before))
        }
    }

    /// Takes note of how an attempt ended; `is_hopeless` when trying again cannot help.
    pub fn finish(
        &mut self,
        attempt: Attempt,
        status: TestStatus,
        is_hopeless: bool,
        now: Duration,
    ) -> Finished {
        self.running = self.running.saturating_sub(1);
        let retry = self.policy.retry_policy;
        if status == TestStatus::Success {
            self.succeeded += 1;
        } else if attempt.number < retry.max_attempts && !is_hopeless && self.stopped.is_none() {
            let exponent = i32::try_from(attempt.number - 1).unwrap_or(i32::MAX);
            let pause = retry.backoff_seconds * retry.backoff_multiplier.powi(exponent);
            let next = Attempt {
                number: attempt.number + 1,
                ..attempt
            };
            self.again.push((now.saturating_add(seconds_of(pause)), next));
            return Finished::Again;
        } else {
            self.failed += 1;
        }
        self.stopped = self.stopped.or_else(|| self.enough());
        Finished::Final
    }

    /// Takes note that an attempt was ended from outside: its case has no result.
    pub const fn cancel(&mut self) {
        self.running = self.running.saturating_sub(1);
    }

    const fn is_done(&self) -> bool {
        self.succeeded + self.failed == self.total
    }

    /// Looks at the stop conditions. A run whose cases all have results has not ended early.
    #[expect(clippy::cast_precision_loss, reason = "a rate of at most 100,000 cases")]
    fn enough(&self) -> Option<StopReason> {
        if self.is_done() {
            return None;
        }
        let stop = &self.policy.stop_conditions;
        if let Some(most) = stop.max_failures.filter(|most| self.failed >= *most) {
            return Some(StopReason::MaxFailures(most));
        }
        let least = stop.min_success_rate?;
        let done = self.succeeded + self.failed;
        let min_results = stop.min_results.unwrap_or(StopConditions::DEFAULT_MIN_RESULTS);
        let is_below = done >= min_results && (self.succeeded as f64) < least * done as f64;
        let is_out_of_reach = ((self.total - self.failed) as f64) < least * self.total as f64;
        (is_below || is_out_of_reach).then_some(StopReason::MinSuccessRate(least))
    }
}

/// Returns a number of seconds as a duration; one that is none counts as nothing.
fn seconds_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MaxFailures(most) => write!(f, "max_failures ({most}) is reached"),
            Self::MinSuccessRate(least) => write!(f, "min_success_rate ({least}) is not reached"),
            Self::Timeout(limit) => write!(f, "timeout ({} s) is reached", limit.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs cases against a fake clock: each attempt takes a second and ends as the function says. Returns what began when,
    /// as (second, case, attempt), and the schedule.
    fn run(
        policy: &str,
        cases: usize,
        status: impl Fn(Attempt) -> TestStatus,
    ) -> (Vec<(f64, usize, u32)>, Schedule) {
        let policy: ExecutionPolicy = serde_saphyr::from_str(policy).unwrap();
        let mut schedule = Schedule::new(&policy, &(0..cases).collect::<Vec<_>>());
        let (mut now, mut began) = (Duration::ZERO, Vec::new());
        let mut running: VecDeque<(Duration, Attempt)> = VecDeque::new();
        loop {
            let step = schedule.next(now);
            if let Step::Start(attempt) = step {
                began.push((now.as_secs_f64(), attempt.case, attempt.number));
                running.push_back((now + Duration::from_secs(1), attempt));
                continue;
            }
            if step == Step::Done {
                return (began, schedule);
            }
            let wake = match step {
                Step::Wait(at) => at,
                _ => Duration::MAX,
            };
            match running.front().copied() {
                Some((end, attempt)) if end <= wake => {
                    running.pop_front();
                    now = end;
                    schedule.finish(attempt, status(attempt), false, now);
                }
                _ => now = wake,
            }
        }
    }

    fn check(
        policy: &str,
        cases: usize,
        status: impl Fn(Attempt) -> TestStatus,
        expected: &[(f64, usize, u32)],
    ) -> Schedule {
        let (began, schedule) = run(policy, cases, status);
        assert_eq!(began, expected, "{policy}");
        schedule
    }

    const fn fine(_: Attempt) -> TestStatus {
        TestStatus::Success
    }

    const fn failing(_: Attempt) -> TestStatus {
        TestStatus::Error
    }

    #[test]
    fn so_many_run_at_once_as_may() {
        check(
            "concurrency: 2",
            3,
            fine,
            &[(0.0, 0, 1), (0.0, 1, 1), (1.0, 2, 1)],
        );
        let none = check("concurrency: 2", 0, fine, &[]);
        assert_eq!(none.stopped(), None);
    }

    #[test]
    fn pauses_before_further_attempts_grow() {
        let policy =
            "{concurrency: 1, retry_policy: {max_attempts: 3, backoff_seconds: 2, backoff_multiplier: 1.5}}";
        check(policy, 1, failing, &[(0.0, 0, 1), (3.0, 0, 2), (7.0, 0, 3)]);
        let second = |attempt: Attempt| {
            if attempt.number == 2 {
                TestStatus::Success
            } else {
                TestStatus::Timeout
            }
        };
        check(policy, 1, second, &[(0.0, 0, 1), (3.0, 0, 2)]);
        // Others run meanwhile.
        check(
            "{retry_policy: {max_attempts: 2, backoff_seconds: 1}}",
            2,
            |attempt| {
                if attempt.case == 0 {
                    TestStatus::Failed
                } else {
                    TestStatus::Success
                }
            },
            &[(0.0, 0, 1), (1.0, 1, 1), (2.0, 0, 2)],
        );
    }

    #[test]
    fn groups_run_one_after_the_other_with_a_pause() {
        check(
            "{concurrency: 5, batch_size: 2, backoff_seconds: 3}",
            3,
            fine,
            &[(0.0, 0, 1), (0.0, 1, 1), (4.0, 2, 1)],
        );
    }

    #[test]
    fn attempts_begin_no_faster_than_the_rate() {
        let policy = "{concurrency: 8, rate_control: {per_minute: 60, burst: 2}}";
        check(
            policy,
            4,
            fine,
            &[(0.0, 0, 1), (0.0, 1, 1), (1.0, 2, 1), (2.0, 3, 1)],
        );
    }

    #[test]
    fn too_many_failures_end_the_run_after_the_result_that_is_too_much() {
        let policy = "{batch_size: 6, retry_policy: {max_attempts: 1}, stop_conditions: {max_failures: 2}}";
        let schedule = check(policy, 6, failing, &[(0.0, 0, 1), (1.0, 1, 1)]);
        assert_eq!(schedule.stopped(), Some(StopReason::MaxFailures(2)));
        // The last result of all ends nothing early.
        let last = check(policy, 2, failing, &[(0.0, 0, 1), (1.0, 1, 1)]);
        assert_eq!(last.stopped(), None);
    }

    #[test]
    fn a_success_rate_that_is_too_low_or_out_of_reach_ends_the_run() {
        let first_fails = |attempt: Attempt| {
            if attempt.case == 0 {
                TestStatus::Failed
            } else {
                TestStatus::Success
            }
        };
        let policy =
            |more: &str| format!("{{retry_policy: {{max_attempts: 1}}, stop_conditions: {{{more}}}}}");
        let schedule = check(
            &policy("min_success_rate: 0.5"),
            4,
            first_fails,
            &[(0.0, 0, 1), (1.0, 1, 1), (2.0, 2, 1), (3.0, 3, 1)],
        );
        assert_eq!(schedule.stopped(), None);
        let early = check(
            &policy("min_success_rate: 0.5, min_results: 1"),
            4,
            first_fails,
            &[(0.0, 0, 1)],
        );
        assert_eq!(early.stopped(), Some(StopReason::MinSuccessRate(0.5)));
        let lost = check(&policy("min_success_rate: 1.0"), 4, first_fails, &[(0.0, 0, 1)]);
        assert_eq!(lost.stopped(), Some(StopReason::MinSuccessRate(1.0)));
    }

    #[test]
    fn a_run_ends_at_its_time() {
        let policy = "{stop_conditions: {timeout_minutes: 0.05}}";
        let schedule = check(policy, 9, fine, &[(0.0, 0, 1), (1.0, 1, 1), (2.0, 2, 1)]);
        assert_eq!(
            schedule.stopped(),
            Some(StopReason::Timeout(Duration::from_secs(3)))
        );
        assert_eq!(
            schedule.stopped().unwrap().to_string(),
            "timeout (3 s) is reached"
        );
    }
}
