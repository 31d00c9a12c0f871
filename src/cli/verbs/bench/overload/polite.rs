//! The polite client: one connection, little to ask, before, during and after a storm.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::offer::{Acknowledged, put};
use crate::cli::exit::CliError;
use crate::cli::interrupt::Held;
use crate::client::{Client, ClientError};
use crate::model::{PromptId, VersionSelector};

/// How long the client waits between two requests.
const PAUSE: Duration = Duration::from_millis(20);

/// What counts as normal: so many times what it took before the storm, and a bit.
const NORMAL_FACTOR: u32 = 2;
const NORMAL_SLACK: Duration = Duration::from_millis(5);

/// The length of what is looked at as one.
const SECOND: Duration = Duration::from_secs(1);

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// When it was sent, since the client began.
    pub(super) at: Duration,
    pub(super) took: Duration,
    /// Why it was not served.
    pub(super) refusal: Option<String>,
}

/// A polite client at work.
#[derive(Debug)]
pub(super) struct Polite {
    started: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Acknowledged>>,
}

/// What a polite client saw.
#[derive(Debug)]
pub(super) struct Seen {
    samples: Vec<Sample>,
    pub(super) acknowledged: Vec<Acknowledged>,
}

/// What it saw before and in the storm, and its first request after it.
#[derive(Debug)]
pub(super) struct Phases {
    pub(super) calm: Vec<Sample>,
    pub(super) storm: Vec<Sample>,
    pub(super) first_after: Option<Sample>,
}

impl Polite {
    pub(super) fn start(client: &Client, prompt: String, text_bytes: usize) -> Self {
        let (started, samples, stop) = (Instant::now(), Arc::default(), Arc::new(AtomicBool::new(false)));
        let worker = Worker {
            client: client.clone(),
            prompt,
            text_bytes,
            started,
            samples: Arc::clone(&samples),
            stop: Arc::clone(&stop),
        };
        Self {
            started,
            samples,
            stop,
            task: tokio::spawn(worker.work()),
        }
    }

    /// Returns the time on this client's clock.
    pub(super) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits for the first whole second after a storm in which all is normal, and returns how many seconds were not.
    pub(super) async fn await_recovery(
        &self,
        began: Duration,
        ended: Duration,
        longest: Duration,
        held: &Held,
    ) -> Option<u64> {
        while self.now() < ended + longest && !held.was_interrupted() {
            tokio::time::sleep(SECOND / 4).await;
            let samples = lock(&self.samples).clone();
            let found = recovery(&samples, began, ended, self.now());
            if found.is_some() {
                return found;
            }
        }
        None
    }

    pub(super) async fn stop(self) -> Result<Seen, CliError> {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.task.await;
        let acknowledged =
            ended.map_err(|error| CliError::failure(format!("the polite client failed: {error}")))?;
        let samples = std::mem::take(&mut *lock(&self.samples));
        Ok(Seen {
            samples,
            acknowledged,
        })
    }
}

impl Seen {
    pub(super) fn seen(&self, began: Duration, ended: Duration) -> Phases {
        let of = |phase: &dyn Fn(Duration) -> bool| {
            let samples = self.samples.iter().filter(|sample| phase(sample.at));
            samples.cloned().collect::<Vec<_>>()
        };
        Phases {
            calm: of(&|at| at < began),
            storm: of(&|at| at >= began && at < ended),
            first_after: of(&|at| at >= ended).into_iter().next(),
        }
    }
}

struct Worker {
    client: Client,
    prompt: String,
    text_bytes: usize,
    started: Instant,
    samples: Arc<Mutex<Vec<Sample>>>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    /// Stores a text and reads it, in turns.
    async fn work(self) -> Vec<Acknowledged> {
        let (mut acknowledged, mut number) = (Vec::new(), 0);
        while !self.stop.load(Ordering::Relaxed) {
            number += 1;
            let begun = Instant::now();
            let result = put(&self.client, &self.prompt, &self.prompt, number, self.text_bytes).await;
            self.note(begun, result.as_ref().err());
            acknowledged.extend(result);
            tokio::time::sleep(PAUSE).await;
            if let Ok(id) = PromptId::new(&self.prompt)
                && !acknowledged.is_empty()
            {
                let begun = Instant::now();
                let read = self.client.version(&id, &VersionSelector::Latest).await;
                self.note(begun, read.as_ref().err());
                tokio::time::sleep(PAUSE).await;
            }
        }
        acknowledged
    }

    fn note(&self, begun: Instant, refusal: Option<&ClientError>) {
        lock(&self.samples).push(Sample {
            at: begun.duration_since(self.started),
            took: begun.elapsed(),
            refusal: refusal.map(ToString::to_string),
        });
    }
}

/// Finds the first whole second after a storm in which every request was served as fast as before it, or nearly, and returns
/// how many seconds were before that. Only seconds that are over by now count.
fn recovery(samples: &[Sample], began: Duration, ended: Duration, now: Duration) -> Option<u64> {
    let calm = samples.iter().filter(|sample| sample.at < began);
    let normal = p99(calm).unwrap_or_default() * NORMAL_FACTOR + NORMAL_SLACK;
    (0..)
        .map_while(|second: u32| {
            let from = ended + SECOND * second;
            let until = from + SECOND;
            (until <= now).then_some((second, from, until))
        })
        .find(|(_, from, until)| {
            let mut within = samples
                .iter()
                .filter(|sample| (*from..*until).contains(&sample.at))
                .peekable();
            within.peek().is_some() && within.all(|sample| sample.refusal.is_none() && sample.took <= normal)
        })
        .map(|(second, ..)| u64::from(second))
}

fn p99<'s>(samples: impl Iterator<Item = &'s Sample>) -> Option<Duration> {
    let mut times: Vec<Duration> = samples.map(|sample| sample.took).collect();
    times.sort_unstable();
    times
        .get((times.len() * 99 / 100).min(times.len().saturating_sub(1)))
        .copied()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: u64 = 2_000;
    const ENDED: u64 = 5_000;

    fn sample(at: u64, took: u64, is_served: bool) -> Sample {
        Sample {
            at: Duration::from_millis(at),
            took: Duration::from_millis(took),
            refusal: (!is_served).then(|| "busy".to_owned()),
        }
    }

    fn check(after: &[(u64, u64, bool)], now: u64, expected: Option<u64>) {
        let calm = (0..20).map(|n| sample(n * 100, 10, true));
        let storm = (20..50).map(|n| sample(n * 100, 500, n % 2 == 0));
        let after = after
            .iter()
            .map(|(at, took, served)| sample(ENDED + at, *took, *served));
        let samples: Vec<Sample> = calm.chain(storm).chain(after).collect();
        let [began, ended, now] = [BEGAN, ENDED, ENDED + now].map(Duration::from_millis);
        assert_eq!(recovery(&samples, began, ended, now), expected);
    }

    #[test]
    fn recovery_is_the_first_second_in_which_all_is_as_before() {
        check(&[(0, 10, true), (900, 25, true)], 1_000, Some(0));
        check(
            &[(0, 10, false), (900, 10, true), (1_100, 10, true)],
            2_000,
            Some(1),
        );
        check(&[(0, 26, true), (1_100, 10, true)], 2_000, Some(1));
        check(&[(0, 10, true)], 999, None);
        check(&[(0, 10, false)], 9_000, None);
        check(&[(2_500, 10, true)], 3_000, Some(2));
    }
}
