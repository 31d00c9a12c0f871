//! Power failures: every state that one may leave is opened with the real code and held against what was promised.
//!
//! A scenario runs once over a disk in memory that remembers its state after every call. For each of these states,
//! `survivors` says what a power failure may leave of it; `check` opens that and compares it with what `oracle` says was
//! promised by then. Recovery runs over the same disk, so that the power can fail while it is at work.

mod by_hand;
mod check;
mod daemon;
pub(crate) mod memory_disk;
mod oracle;
mod replaced;
mod restoring;
mod sabotage;
mod scenarios;
mod suite;
pub(crate) mod survivors;
mod whole;
pub(crate) mod world;

use std::collections::BTreeMap;

use super::*;
use check::Violation;
use disk::Disk;
use memory_disk::MemoryDisk;
use suite::{Budget, Covered, enumerate};

/// Where things are in the stores of these tests.
const LAYOUT: Layout = Layout {
    depth: ShardDepth::DEFAULT,
};

/// Puts something between the code and the disk.
type Wrap = fn(MemoryDisk) -> Arc<dyn Disk>;

fn plain(disk: MemoryDisk) -> Arc<dyn Disk> {
    Arc::new(disk)
}

/// Tells whether the long form of the fault suite was asked for.
pub(super) fn is_full() -> bool {
    std::env::var("PROMPTD_FAULTS").is_ok_and(|size| size == "full")
}

fn check_all(what: &str, scenarios: &[scenarios::Scenario], full: Budget) {
    let budget = if is_full() { full } else { Budget::SHORT };
    let covered = enumerate(scenarios, plain, budget);
    report(what, &covered);
    assert_eq!(covered.violations, BTreeMap::new());
    assert!(covered.states > 100 * scenarios.len(), "{covered:?}");
}

fn report(what: &str, covered: &Covered) {
    eprintln!(
        "covered: power failures: {what}: {} states ({} different) after {} calls of {} scenarios, {} in recovery; {} \
         instants in every state that POSIX allows, {} by a sample",
        covered.states,
        covered.distinct,
        covered.calls,
        covered.scenarios,
        covered.in_recovery,
        covered.complete,
        covered.sampled,
    );
}

#[test]
fn a_power_failure_in_any_operation_breaks_no_promise() {
    check_all("single operations", &scenarios::singles(), Budget::FULL);
}

#[test]
fn a_power_failure_in_two_operations_of_one_shard_breaks_no_promise() {
    let all = scenarios::pairs();
    let step = if is_full() { 1 } else { 7 };
    let mut some: Vec<_> = all.into_iter().step_by(step).collect();
    // Every other time on top of names that are acknowledged and went, but may come back.
    for (place, scenario) in some.iter_mut().enumerate() {
        scenario.starts_synced = place % 2 == 0;
    }
    if is_full() {
        let turned = some.clone().into_iter().map(|scenario| scenarios::Scenario {
            name: format!("{} (the other way)", scenario.name),
            starts_synced: !scenario.starts_synced,
            ..scenario
        });
        some.extend(turned.collect::<Vec<_>>());
    }
    check_all("pairs of operations", &some, Budget::FULL_PAIRS);
}

#[test]
fn a_power_failure_after_a_longer_history_breaks_no_promise() {
    check_all("histories", &scenarios::histories(), Budget::FULL);
}
