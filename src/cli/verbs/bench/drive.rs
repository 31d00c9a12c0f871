//! Clients that send requests as fast as they are answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Op;
use super::keys::{self, Dice, Skew};
use crate::cli::exit::{CliError, Exit};
use crate::cli::interrupt::{self, Held};
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::client::{Client, ClientError, PromptFilter};
use crate::model::{PromptId, Version, VersionSelector};
use crate::versions::NewVersion;

/// The longest time that is told apart from longer ones.
const MAX_NANOS: u64 = 120_000_000_000;
/// How long a client waits after it was refused with `busy`.
const BUSY_PAUSE: Duration = Duration::from_millis(2);
/// How many prompts are written to.
const WRITTEN_PROMPTS: u64 = 256;
/// The length of a page that is listed.
const LISTED: usize = 50;

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) clients: usize,
    pub(super) op: Op,
    pub(super) duration: Duration,
    pub(super) text_bytes: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// For how long it ran.
    pub(super) elapsed: Duration,
    /// By operation.
    pub(super) ops: BTreeMap<Op, Times>,
    /// Whether it was ended before its time.
    pub(super) was_interrupted: bool,
}

/// The times of one operation.
#[derive(Debug)]
pub(super) struct Times {
    /// In nanoseconds.
    pub(super) histogram: Histogram<u64>,
    /// How often it was refused with `busy`, and sent again.
    pub(super) busy: u64,
    /// How often it failed otherwise.
    pub(super) errors: u64,
    /// The first of these failures.
    pub(super) first_error: Option<String>,
}

impl Times {
    /// Returns how many were served in a second, over so many seconds.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(super) fn per_second(&self, seconds: f64) -> f64 {
        if seconds > 0.0 {
            self.histogram.len() as f64 / seconds
        } else {
            0.0
        }
    }
}

/// Of so many reads by number, all but one ask for the newest version.
const CURRENT_OF: u64 = 16;

/// A prompt to be read, and how many versions it has.
#[derive(Debug, Clone)]
struct Readable {
    id: PromptId,
    versions: u64,
}

impl Measured {
    /// Returns how many requests failed.
    pub(super) fn errors(&self) -> u64 {
        self.ops.values().map(|times| times.errors).sum()
    }

    /// Returns how many requests of a kind were served in a second.
    pub(super) fn per_second(&self, op: Op) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        self.ops.get(&op).map_or(0.0, |times| times.per_second(seconds))
    }

    fn add(&mut self, other: Self) -> Result<(), CliError> {
        for (op, times) in other.ops {
            let Times {
                histogram,
                busy,
                errors,
                first_error,
            } = times;
            let sum = self.of(op)?;
            sum.histogram
                .add(histogram)
                .map_err(|error| CliError::failure(error.to_string()))?;
            sum.busy += busy;
            sum.errors += errors;
            sum.first_error = sum.first_error.take().or(first_error);
        }
        Ok(())
    }

    fn of(&mut self, op: Op) -> Result<&mut Times, CliError> {
        match self.ops.entry(op) {
            std::collections::btree_map::Entry::Occupied(there) => Ok(there.into_mut()),
            std::collections::btree_map::Entry::Vacant(place) => {
                let histogram = Histogram::new_with_bounds(1, MAX_NANOS, 3)
                    .map_err(|error| CliError::failure(error.to_string()))?;
                Ok(place.insert(Times {
                    histogram,
                    busy: 0,
                    errors: 0,
                    first_error: None,
                }))
            }
        }
    }
}

/// Lets the clients work for the time that was asked for.
pub(super) async fn run(client: &Client, load: Load, session: &mut Session) -> Result<Measured, CliError> {
    let readable: Arc<[Readable]> = match load.op {
        Op::Get | Op::Latest | Op::Mixed => readable(client).await?.into(),
        Op::Put | Op::List => Arc::default(),
    };
    let run_name = format!("bench-put-{}", std::process::id());
    let start = Arc::new(Barrier::new(load.clients));
    // Whoever is interrupted still sees what was measured, and leaves nothing behind.
    let held = Arc::new(interrupt::hold());
    let mut workers = JoinSet::new();
    for seed in 0..load.clients {
        let worker = Worker {
            client: client.clone(),
            load,
            skew: Skew::among(readable.len()),
            readable: Arc::clone(&readable),
            dice: Dice::new(seed as u64),
            run_name: run_name.clone(),
            written: 0,
            seed,
            held: Arc::clone(&held),
        };
        let start = Arc::clone(&start);
        workers.spawn(async move { worker.work(&start).await });
    }
    let measured = gather(workers, load, session).await;
    if matches!(load.op, Op::Put | Op::Mixed) {
        purge(client, &run_name).await?;
    }
    let mut measured = measured?;
    measured.was_interrupted = held.was_interrupted();
    Ok(measured)
}

async fn gather(
    mut workers: JoinSet<Result<Measured, CliError>>,
    load: Load,
    session: &Session,
) -> Result<Measured, CliError> {
    let progress = Progress::start(&session.console, "measuring", load.duration.as_secs());
    let ticking = progress.clone();
    let ticker = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            ticking.advance(1);
        }
    });
    let mut measured = Measured::default();
    while let Some(worker) = workers.join_next().await {
        let worker = worker.map_err(|error| CliError::failure(format!("a client failed: {error}")))?;
        let worker = worker?;
        measured.elapsed = measured.elapsed.max(worker.elapsed);
        measured.add(worker)?;
    }
    ticker.abort();
    progress.finish();
    Ok(measured)
}

/// Returns the prompts that were made to be read.
async fn readable(client: &Client) -> Result<Vec<Readable>, CliError> {
    let filter = PromptFilter {
        prefix: Some(keys::READ_PREFIX.to_owned()),
    };
    let mut pages = client.prompts(&filter).limit(1000);
    let mut readable = Vec::new();
    while let Some(prompts) = pages.next().await? {
        let filled = prompts
            .into_iter()
            .filter(|prompt| is_filled(prompt.prompt_id.as_str()));
        readable.extend(filled.map(|prompt| Readable {
            id: prompt.prompt_id,
            versions: prompt.version_count,
        }));
    }
    if readable.is_empty() {
        return Err(CliError::new(
            Exit::NotFound,
            "there is nothing to read: no prompt was made by --fill",
        )
        .hint("run it with --fill once; --prompts and --versions say how much"));
    }
    Ok(readable)
}

/// Tells prompts of `--fill` from those that other runs write.
fn is_filled(name: &str) -> bool {
    name.strip_prefix(keys::READ_PREFIX)
        .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Forgets the prompts that were written.
pub(super) async fn purge(client: &Client, run_name: &str) -> Result<(), CliError> {
    let filter = PromptFilter {
        prefix: Some(format!("{run_name}-")),
    };
    let prompts = client.prompts(&filter).all().await?;
    for prompt in prompts {
        client.delete_prompt(&prompt.prompt_id, true, true).await?;
    }
    Ok(())
}

/// One client.
#[derive(Debug)]
struct Worker {
    client: Client,
    load: Load,
    readable: Arc<[Readable]>,
    skew: Skew,
    dice: Dice,
    run_name: String,
    written: u64,
    seed: usize,
    held: Arc<Held>,
}

impl Worker {
    async fn work(mut self, start: &Barrier) -> Result<Measured, CliError> {
        // The connection is made before the clock runs.
        let connected = self.client.health().await;
        start.wait().await;
        connected?;
        let mut measured = Measured::default();
        let started = Instant::now();
        while started.elapsed() < self.load.duration && !self.held.was_interrupted() {
            let op = self.next_op();
            let request = self.request(op);
            let times = measured.of(op)?;
            let begun = Instant::now();
            let done = self.until_not_busy(&request, times).await;
            let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(MAX_NANOS);
            match done {
                Ok(()) => times.histogram.saturating_record(nanos.max(1)),
                Err(error @ ClientError::Unreachable { .. }) => return Err(error.into()),
                Err(error) => {
                    times.errors += 1;
                    times.first_error.get_or_insert_with(|| error.to_string());
                }
            }
        }
        measured.elapsed = started.elapsed();
        Ok(measured)
    }

    fn next_op(&mut self) -> Op {
        match self.load.op {
            Op::Mixed => match self.dice.below(100) {
                0..80 => Op::Get,
                80..90 => Op::Latest,
                90..95 => Op::List,
                _ => Op::Put,
            },
            op => op,
        }
    }

    async fn until_not_busy(&self, request: &Request, times: &mut Times) -> Result<(), ClientError> {
        loop {
            match request.send(&self.client).await {
                Err(error) if error.is_busy() => {
                    times.busy += 1;
                    tokio::time::sleep(BUSY_PAUSE).await;
                }
                done => return done,
            }
        }
    }

    fn request(&mut self, op: Op) -> Request {
        match op {
            Op::Get => self.read(|versions, dice| {
                let newest = versions.saturating_sub(1);
                // Applications read what is current; now and then somebody looks at an old version, mostly a young one.
                let is_current = dice.below(CURRENT_OF) != 0;
                let back = if is_current {
                    0
                } else {
                    dice.below(versions).min(dice.below(versions))
                };
                VersionSelector::Exact(Version::release(1, 0, newest - back))
            }),
            Op::Latest => self.read(|_, _| VersionSelector::Latest),
            Op::List | Op::Mixed => Request::List,
            Op::Put => {
                self.written += 1;
                let name = format!("{}-{:03}", self.run_name, self.dice.below(WRITTEN_PROMPTS));
                let text = keys::text(
                    &format!("{name} {}", self.seed),
                    self.written,
                    self.load.text_bytes,
                );
                Request::Put(name, Box::new(NewVersion::of_text(text)))
            }
        }
    }

    fn read(&mut self, select: impl Fn(u64, &mut Dice) -> VersionSelector) -> Request {
        let chosen = self.skew.choose(&mut self.dice);
        match self.readable.get(chosen) {
            Some(prompt) => Request::Get(prompt.id.clone(), select(prompt.versions.max(1), &mut self.dice)),
            None => Request::List,
        }
    }
}

/// One request, ready to be sent as often as it takes.
#[derive(Debug)]
enum Request {
    Get(PromptId, VersionSelector),
    List,
    Put(String, Box<NewVersion>),
}

impl Request {
    async fn send(&self, client: &Client) -> Result<(), ClientError> {
        match self {
            Self::Get(id, selector) => client.version(id, selector).await.map(drop),
            Self::List => client
                .prompts(&PromptFilter::default())
                .limit(LISTED)
                .next()
                .await
                .map(drop),
            Self::Put(name, new) => match PromptId::new(name) {
                Ok(id) => client.create_version(&id, new).await.map(drop),
                Err(error) => Err(ClientError::Unsendable {
                    reason: error.to_string(),
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(op: Op) -> Worker {
        let readable = [Readable {
            id: PromptId::new("bench-000001").unwrap(),
            versions: 50,
        }];
        let duration = Duration::from_secs(1);
        Worker {
            client: Client::new("/nonexistent"),
            load: Load {
                clients: 1,
                op,
                duration,
                text_bytes: 100,
            },
            skew: Skew::among(1),
            readable: readable.into(),
            dice: Dice::new(3),
            run_name: "bench-put-1".to_owned(),
            written: 0,
            seed: 0,
            held: Arc::new(interrupt::hold()),
        }
    }

    #[test]
    fn a_mixed_load_is_mostly_reading() {
        let mut worker = worker(Op::Mixed);
        let mut counts: BTreeMap<Op, u32> = BTreeMap::new();
        for _ in 0..10_000 {
            *counts.entry(worker.next_op()).or_default() += 1;
        }
        assert!((7_800..8_200).contains(&counts[&Op::Get]), "{counts:?}");
        assert!((400..600).contains(&counts[&Op::Put]), "{counts:?}");
        assert_eq!(counts.len(), 4);
    }

    #[test]
    fn only_versions_that_exist_are_read() {
        let mut worker = worker(Op::Get);
        for _ in 0..1000 {
            match worker.request(Op::Get) {
                Request::Get(_, VersionSelector::Exact(version)) => {
                    assert!(
                        version >= Version::FIRST && version < Version::release(1, 0, 50),
                        "{version}"
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn every_text_that_is_written_is_a_new_one() {
        let mut worker = worker(Op::Put);
        let mut texts = std::collections::BTreeSet::new();
        for _ in 0..500 {
            match worker.request(Op::Put) {
                Request::Put(_, new) => assert!(texts.insert(new.prompt.text)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn prompts_of_other_runs_are_not_read() {
        assert!(is_filled("bench-000001"));
        assert!(!is_filled("bench-put-77-001"));
        assert!(!is_filled("greet"));
    }
}
