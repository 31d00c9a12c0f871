//! Power failures while the ledger is written: every state that one may leave is opened, and holds each entry as it was last
//! acknowledged, or as it was being written.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use crate::http::wire::{JobState, JobView};
use crate::jobs::kinds::Plan;
use crate::jobs::{DiskLedger, JobId, Ledger, Record};
use crate::storage::filesystem::disk::Disk;
use crate::storage::filesystem::tests::crash::memory_disk::{MemoryDisk, Moment};
use crate::storage::filesystem::tests::crash::survivors::{ordered, posix};
use crate::storage::filesystem::tests::crash::world::World;

fn record(id: &JobId, state: JobState) -> Record {
    let view: JobView = serde_json::from_value(json!({
        "job_id": id.as_str(), "kind": "verify", "state": state, "progress": {"done": 0, "total": 0, "unit": "prompts"},
        "created_at": "2026-01-02T03:04:05Z", "author": {"name": "ada", "uid": 1000},
    }))
    .unwrap();
    let plan = (!state.is_final()).then_some(Plan::Verify);
    Record::new(view, 1, plan)
}

/// What may stand in the ledger: the state of each job, `None` when there is no entry.
type Allowed = Vec<Vec<Option<JobState>>>;

/// Holds everything that a power failure may leave against what is allowed for each job. Returns the number of states.
fn check(moment: &Moment, ids: &[JobId], allowed: &Allowed, seen: &mut HashSet<(u64, usize)>) -> usize {
    let survivors = posix(&moment.world, 256, 1).worlds;
    let mut states = 0;
    for world in survivors.into_iter().chain(ordered(&moment.world)) {
        states += 1;
        if !seen.insert((world.fingerprint(), moment.mark)) {
            continue;
        }
        let ledger = DiskLedger::new(Arc::new(MemoryDisk::new(world)), 0);
        let content = ledger.open().unwrap();
        assert!(
            content.problems.is_empty(),
            "after '{}': {:?}",
            moment.call,
            content.problems
        );
        for (id, allowed) in ids.iter().zip(&allowed[moment.mark..]) {
            let is_there = content.entries.iter().any(|entry| entry.id == *id);
            let found = is_there.then(|| ledger.read(id).unwrap().state());
            assert!(
                allowed.contains(&found),
                "after '{}': {id} is {found:?}",
                moment.call
            );
        }
        let again = ledger.open().unwrap();
        assert_eq!(again.entries.len(), content.entries.len());
    }
    states
}

#[test]
fn a_power_failure_leaves_each_entry_of_the_ledger_as_it_was_or_as_it_was_written() {
    let ids = [JobId::generate()];
    let memory = MemoryDisk::new(World::new());
    memory.record();
    let ledger = DiskLedger::new(Arc::new(memory.clone()), 0);
    let (queued, running, done) = (JobState::Queued, JobState::Running, JobState::Succeeded);
    // Marks: even ones while something is written, odd ones after its answer.
    let mut allowed: Allowed = Vec::new();
    let mut before = None;
    for state in [Some(queued), Some(running), Some(done), None] {
        memory.set_mark(allowed.len());
        allowed.push(vec![before, state]);
        match state {
            Some(state) => drop(ledger.write(&record(&ids[0], state)).unwrap()),
            None => ledger.remove(&ids[0]).unwrap(),
        }
        memory.set_mark(allowed.len());
        // A removed entry may come back: it has ended, and is forgotten once more.
        allowed.push(if state.is_none() {
            vec![None, before]
        } else {
            vec![state]
        });
        before = state;
    }
    let (mut states, mut seen) = (0, HashSet::new());
    let moments = memory.moments();
    for moment in &moments {
        states += check(moment, &ids, &allowed, &mut seen);
    }
    eprintln!(
        "covered: power failures: job ledger: {states} states after {} calls",
        moments.len()
    );
    assert!(states > 50, "{states}");
}

#[test]
fn an_entry_that_was_withdrawn_does_not_come_back() {
    let ids = [JobId::generate()];
    let memory = MemoryDisk::new(World::new());
    let ledger = DiskLedger::new(Arc::new(memory.clone()), 0);
    ledger.withdraw(&ids[0]).unwrap();
    ledger.write(&record(&ids[0], JobState::Running)).unwrap();
    memory.fail_dir_syncs(1);
    assert_eq!(ledger.withdraw(&ids[0]).unwrap_err().code(), "interrupted");
    ledger.withdraw(&ids[0]).unwrap();
    memory.record();
    for moment in memory.moments() {
        check(&moment, &ids, &vec![vec![None]], &mut HashSet::new());
    }
}

#[test]
fn an_entry_is_durable_although_the_first_fsync_of_the_store_failed() {
    let ids = [JobId::generate(), JobId::generate()];
    let memory = MemoryDisk::new(World::new());
    let ledger = DiskLedger::new(Arc::new(memory.clone()), 0);
    memory.fail_dir_syncs(1);
    let refused = ledger.write(&record(&ids[0], JobState::Queued));
    assert_eq!(refused.unwrap_err().code(), "interrupted");
    ledger.write(&record(&ids[1], JobState::Queued)).unwrap();
    memory.record();
    let allowed = vec![vec![None, Some(JobState::Queued)], vec![Some(JobState::Queued)]];
    for moment in memory.moments() {
        check(&moment, &ids, &allowed, &mut HashSet::new());
    }
}

#[test]
fn an_entry_is_durable_although_the_directory_of_the_ledger_was_replaced() {
    let ids = [JobId::generate(), JobId::generate()];
    let memory = MemoryDisk::new(World::new());
    let ledger = DiskLedger::new(Arc::new(memory.clone()), 0);
    ledger.write(&record(&ids[0], JobState::Queued)).unwrap();
    memory
        .rename_new(Path::new(".jobs"), Path::new(".aside"))
        .unwrap();
    memory.make_dir(Path::new(".jobs")).unwrap();
    ledger.write(&record(&ids[1], JobState::Queued)).unwrap();
    memory.record();
    // The other one went with its directory.
    let allowed = vec![vec![None, Some(JobState::Queued)], vec![Some(JobState::Queued)]];
    for moment in memory.moments() {
        check(&moment, &ids, &allowed, &mut HashSet::new());
    }
}
