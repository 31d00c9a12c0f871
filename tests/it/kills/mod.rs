//! The real daemon, killed at random moments under a mixed load, again and again.
//!
//! The oracle is what the clients were told, written down outside the daemon. `PROMPTD_KILL_SEED` makes the same choices
//! again; what the machine makes of them is its own affair.

mod check;
mod client;
mod evidence;
mod jobs;
mod log;
mod others;
mod restoring;

use std::time::Duration;

use promptd::client::Client;
use promptd::model::Version;
use serde_json::Value;

use self::check::{SharedLog, settle, unexplained_problems};
use self::client::Scribe;
use self::jobs::Submitter;
use self::log::{Place, Told};
use self::others::Other;
use crate::harness::{Daemon, Dice, Host, faults_are_full};

/// Clients that change prompts at the same time.
const SCRIBES: usize = 12;
/// The longest time between a start and the kill.
const LONGEST_LIFE: Duration = Duration::from_millis(900);
/// Every client has noticed by then that the daemon is dead.
const MOURNING: Duration = Duration::from_secs(30);
/// After every so many rounds everything is looked at: that takes longer the more there is.
const ROUNDS_PER_WHOLE: usize = 4;
/// A start is cut off within this time.
const EARLIEST: Duration = Duration::from_millis(50);

/// Everybody who works with the daemon, and what they know.
struct World {
    host: Host,
    dice: Dice,
    scribes: Vec<Scribe>,
    other: Option<Other>,
    submitter: Option<Submitter>,
    shared: SharedLog,
    told: Told,
    covered: Covered,
}

/// What was done.
#[derive(Default)]
struct Covered {
    rounds: usize,
    kills_at_start: usize,
    compared: usize,
    jobs: usize,
}

impl World {
    fn new(mut dice: Dice) -> Self {
        let host = Host::new();
        let told = Told::default();
        let scribes = (0..SCRIBES).map(|number| Scribe::new(number, dice.split(), Told::clone(&told)));
        Self {
            scribes: scribes.collect(),
            other: Some(Other::new(dice.split(), host.store())),
            submitter: Some(Submitter::new(dice.split(), Told::clone(&told))),
            shared: SharedLog::default(),
            covered: Covered::default(),
            told,
            dice,
            host,
        }
    }

    /// Lets everybody work with a daemon until it is killed, at any moment.
    async fn live_and_die(&mut self, daemon: Daemon) {
        let scribes: Vec<_> = std::mem::take(&mut self.scribes)
            .into_iter()
            .map(|scribe| tokio::spawn(scribe.work(daemon.client())))
            .collect();
        let other = tokio::spawn(self.other.take().unwrap().work(daemon.client()));
        let submitter = tokio::spawn(self.submitter.take().unwrap().work(daemon.client()));
        tokio::time::sleep(Duration::from_millis(20) + self.dice.time(LONGEST_LIFE)).await;
        daemon.kill();
        let ended = async {
            for scribe in scribes {
                self.scribes.push(scribe.await.unwrap());
            }
            self.other = Some(other.await.unwrap());
            self.submitter = Some(submitter.await.unwrap());
        };
        let ended = tokio::time::timeout(MOURNING, ended).await;
        assert!(ended.is_ok(), "a client still waits for a daemon that was killed");
    }

    /// Starts the daemon; often it is killed before it is up, several times in a row.
    async fn start(&mut self) -> Daemon {
        let false_starts = self.dice.below(2) * (1 + self.dice.below(5));
        for _ in 0..false_starts {
            let daemon = self.host.spawn();
            tokio::time::sleep(self.dice.time(EARLIEST)).await;
            daemon.kill();
            self.covered.kills_at_start += 1;
        }
        self.host.start().await
    }

    /// Holds what the daemon serves against what everybody was told.
    async fn check(&mut self, client: &Client, everything: bool) {
        let store = self.host.store();
        self.covered.jobs += self.submitter.as_mut().unwrap().settle(client).await;
        let others = self.other.iter_mut().flat_map(|other| &mut other.prompts);
        for scribe in &mut self.scribes {
            for (prompt, version, text) in scribe.shared.drain(..) {
                self.shared.told(prompt, version, text);
            }
            self.shared.floating.extend(scribe.shared_floating.drain(..));
        }
        let prompts = self.scribes.iter_mut().flat_map(|scribe| &mut scribe.prompts);
        for prompt in prompts.chain(others) {
            self.covered.compared += settle(client, &store, prompt, everything).await;
        }
        if everything {
            self.shared.seen.clear();
        }
    }

    /// Compares what all share, and lets the daemon read everything it has.
    async fn check_whole(&mut self, client: &Client) {
        self.covered.compared += self.shared.settle(client).await;
        let prompts = self.scribes.iter().flat_map(|scribe| &scribe.prompts);
        let purged = prompts.filter(|log| log.was_purged).map(|log| log.name.as_str());
        let problems = unexplained_problems(&self.host, &purged.collect());
        assert_eq!(problems, Vec::<Value>::new());
    }

    /// Everything that was acknowledged before the newest backup began, and was not forgotten since, is in it. Returns how
    /// much that is.
    async fn check_backup(&self) -> usize {
        let submitter = self.submitter.as_ref().unwrap();
        let newest = submitter.newest.as_ref().expect("no backup was made");
        let mut kept = self.told.lock().unwrap()[..newest.told].to_vec();
        kept.retain(|(prompt, version, text)| self.is_still_there(prompt, version, text));
        restoring::compare(&self.host, &newest.path, &kept).await;
        kept.len()
    }

    fn is_still_there(&self, prompt: &str, version: &Version, text: &str) -> bool {
        let mut logs = self.scribes.iter().flat_map(|scribe| &scribe.prompts);
        // Nobody deletes what all share.
        let Some(log) = logs.find(|log| log.name == prompt) else {
            return true;
        };
        let kept = log.versions.get(version);
        kept.is_some_and(|kept| kept.text == text && !kept.may_be.contains(&Place::Gone))
    }

    fn acknowledged(&self) -> usize {
        self.scribes.iter().map(|scribe| scribe.acknowledged).sum()
    }

    fn report(&self, seed: u64, restored: usize) {
        let Covered {
            rounds,
            kills_at_start,
            compared,
            jobs,
        } = self.covered;
        let (acknowledged, changes) = (self.acknowledged(), self.other.as_ref().unwrap().changes);
        let results: usize = self.scribes.iter().map(|scribe| scribe.results).sum();
        let backups = self.submitter.as_ref().unwrap().backups;
        eprintln!(
            "covered: kills of the daemon: {rounds} under load, {kills_at_start} more during start and recovery, seed {seed}"
        );
        eprintln!(
            "covered: kills of the daemon: {acknowledged} acknowledged changes, {jobs} acknowledged jobs and {changes} \
             changes by another program, held against what is served in {compared} comparisons"
        );
        eprintln!("covered: kills of the daemon: {results} acknowledged test results among them");
        eprintln!(
            "covered: kills of the daemon: {backups} backups under load, the newest verified and restored: {restored} \
             versions acknowledged before it began are in it"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_however_often_the_daemon_is_killed() {
    let dice = Dice::from_variable("PROMPTD_KILL_SEED");
    let seed = dice.seed();
    let rounds: usize = if faults_are_full() { 52 } else { 5 };
    let mut world = World::new(dice);
    let mut daemon = world.host.start().await;
    // A short run, too, has a backup.
    let mut left = rounds;
    while left > 0
        || world
            .submitter
            .as_ref()
            .is_some_and(|submitter| submitter.newest.is_none())
    {
        left = left.saturating_sub(1);
        world.live_and_die(daemon).await;
        daemon = world.start().await;
        world.check(&daemon.client(), false).await;
        if world.covered.rounds.is_multiple_of(ROUNDS_PER_WHOLE) {
            world.check_whole(&daemon.client()).await;
        }
        world.covered.rounds += 1;
    }
    assert!(daemon.stop().success());
    daemon = world.host.start().await;
    world.check(&daemon.client(), true).await;
    world.check_whole(&daemon.client()).await;
    assert!(daemon.stop().success());
    let restored = world.check_backup().await;
    let acknowledged = world.acknowledged();
    assert!(
        acknowledged > rounds * 5,
        "hardly anything was acknowledged: {acknowledged}"
    );
    assert!(
        world.scribes.iter().any(|scribe| scribe.results > 0),
        "no test result was acknowledged"
    );
    world.report(seed, restored);
}
