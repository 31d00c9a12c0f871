//! Runs scenarios, lets the power fail after every call, and counts.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use super::check::{Violation, check};
use super::daemon::{Daemon, Log};
use super::memory_disk::{MemoryDisk, Moment, Plant};
use super::oracle::{Op, Oracle};
use super::scenarios::{Scenario, Step};
use super::survivors::{ordered, posix};
use super::world::World;
use super::*;

/// How much of what is possible is tried.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Combinations of survivors at one instant; where more are possible, so many are drawn.
    pub(crate) per_instant: usize,
    /// One in so many recoveries is cut off by a second power failure.
    pub(crate) second_every: usize,
    /// Combinations of survivors at one instant of a recovery.
    pub(crate) per_second: usize,
}

impl Budget {
    pub(crate) const SHORT: Self = Self {
        per_instant: 32,
        second_every: 40,
        per_second: 6,
    };
    pub(crate) const FULL: Self = Self {
        per_instant: 256,
        second_every: 10,
        per_second: 16,
    };
    /// For the many pairs of operations, whose parts the others try in full.
    pub(crate) const FULL_PAIRS: Self = Self {
        per_instant: 32,
        second_every: 120,
        per_second: 8,
    };
}

/// What was tried, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Covered {
    pub(crate) scenarios: usize,
    pub(crate) calls: usize,
    pub(crate) states: usize,
    pub(crate) distinct: usize,
    pub(crate) in_recovery: usize,
    pub(crate) complete: usize,
    pub(crate) sampled: usize,
    /// The first violation of each scenario, and after which call.
    pub(crate) violations: BTreeMap<String, (String, Violation)>,
}

impl Covered {
    fn add(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.calls += other.calls;
        self.states += other.states;
        self.distinct += other.distinct;
        self.in_recovery += other.in_recovery;
        self.complete += other.complete;
        self.sampled += other.sampled;
        self.violations.extend(other.violations);
    }
}

/// Runs scenarios, two at a time.
pub(crate) fn enumerate(scenarios: &[Scenario], wrap: Wrap, budget: Budget) -> Covered {
    let (next, covered) = (AtomicUsize::new(0), Mutex::new(Covered::default()));
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let one = enumerate_one(scenario, wrap, budget);
                    covered.lock().unwrap().add(one);
                }
            });
        }
    });
    covered.into_inner().unwrap()
}

fn enumerate_one(scenario: &Scenario, wrap: Wrap, budget: Budget) -> Covered {
    let (moments, oracles) = play(scenario, wrap);
    cut_off_all(&scenario.name, &moments, &oracles, wrap, budget)
}

/// Lets the power fail in each of the given states.
pub(crate) fn cut_off_all(
    name: &str,
    moments: &[Moment],
    oracles: &[Oracle],
    wrap: Wrap,
    budget: Budget,
) -> Covered {
    let mut run = Run {
        covered: Covered {
            scenarios: 1,
            calls: moments.len(),
            ..Covered::default()
        },
        seen: HashSet::new(),
        recoveries: 0,
        wrap,
        budget,
    };
    for moment in moments {
        if let Err(violation) = run.cut_off(moment, &oracles[moment.mark]) {
            let place = (moment.call.clone(), violation);
            run.covered.violations.insert(name.to_owned(), place);
            break;
        }
    }
    run.covered
}

/// Runs a scenario and returns every state in which the power may fail, and what was promised in them.
fn play(scenario: &Scenario, wrap: Wrap) -> (Vec<Moment>, Vec<Oracle>) {
    let memory = MemoryDisk::new(World::new());
    let disk = wrap(memory.clone());
    let log = Log::new(&memory);
    let open = || Daemon::open(Arc::clone(&disk)).unwrap().0;
    if scenario.before.is_empty() {
        memory.record();
    }
    let mut daemon = open();
    for step in &scenario.before {
        take(step, &mut daemon, &log, &memory, &open);
    }
    if !scenario.before.is_empty() {
        daemon.write_index().unwrap();
        // As after a start. Otherwise what was done before is acknowledged, and no more durable than it must be.
        if scenario.starts_synced {
            memory.sync_all().unwrap();
        }
        memory.record();
    }
    for step in &scenario.steps {
        take(step, &mut daemon, &log, &memory, &open);
    }
    (memory.moments(), log.oracles())
}

fn take(step: &Step, daemon: &mut Daemon, log: &Log, memory: &MemoryDisk, open: &dyn Fn() -> Daemon) {
    let begin = |op: &Op| log.note(|oracle| oracle.begin(op));
    match step {
        Step::Ask(ops) => {
            for op in ops {
                begin(op);
            }
            drop(daemon.serve(log, ops));
        }
        Step::AskAndPlant { op, version, text } => {
            begin(op);
            let (path, bytes) = (
                LAYOUT.version_file(&id(op.id()), &super::version(version)),
                super::recovery::sealed(op.id(), version, text),
            );
            let mark = log.note_for_later(|oracle| {
                oracle.add_foreign(op.id(), version, text);
                oracle.may_be_reported.insert("quarantined");
            });
            memory.plant(Plant { path, bytes, mark });
            drop(daemon.serve(log, std::slice::from_ref(op)));
        }
        Step::FailSync => memory.fail_syncs(1),
        Step::FailRename => {
            memory.fail_renames(1);
            log.note(|oracle| {
                oracle.may_be_reported.insert("quarantined");
            });
        }
        Step::ByHand(deed) => {
            log.note(|oracle| by_hand::act(*deed, memory, oracle));
        }
        Step::WriteIndex => daemon.write_index().unwrap(),
        Step::Restart => *daemon = open(),
    }
}

struct Run {
    covered: Covered,
    seen: HashSet<(u64, usize)>,
    /// Recoveries after a first power failure.
    recoveries: usize,
    wrap: Wrap,
    budget: Budget,
}

impl Run {
    /// Lets the power fail in one state.
    fn cut_off(&mut self, moment: &Moment, oracle: &Oracle) -> Result<(), Violation> {
        let survivors = posix(&moment.world, self.budget.per_instant, self.covered.calls as u64);
        if survivors.is_complete {
            self.covered.complete += 1;
        } else {
            self.covered.sampled += 1;
        }
        for world in survivors.worlds.into_iter().chain(ordered(&moment.world)) {
            self.covered.states += 1;
            if !self.seen.insert((world.fingerprint(), moment.mark)) {
                continue;
            }
            self.covered.distinct += 1;
            self.recoveries += 1;
            let recovery = check(&world, oracle, self.wrap)?;
            if self.recoveries.is_multiple_of(self.budget.second_every) {
                self.cut_off_again(&recovery, oracle, moment.mark)?;
            }
        }
        Ok(())
    }

    /// Lets the power fail once more, while recovery is at work.
    fn cut_off_again(&mut self, recovery: &[Moment], oracle: &Oracle, mark: usize) -> Result<(), Violation> {
        for moment in recovery {
            let survivors = posix(&moment.world, self.budget.per_second, 7);
            for world in survivors.worlds.into_iter().chain(ordered(&moment.world)) {
                self.covered.states += 1;
                self.covered.in_recovery += 1;
                if self.seen.insert((world.fingerprint(), mark)) {
                    self.covered.distinct += 1;
                    check(&world, oracle, self.wrap)?;
                }
            }
        }
        Ok(())
    }
}
