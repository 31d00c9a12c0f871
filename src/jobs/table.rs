//! Every job that is known, in the order of submission. Read by everybody without waiting for anybody's work.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::http::wire::{JobState, JobView};

use super::job::Job;
use super::{JobId, JobKind};

/// How many bytes the jobs that ended may take together, by the size of their entries; the newest one is always kept.
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// Every job that is known.
#[derive(Debug, Default)]
pub(super) struct Table {
    jobs: RwLock<BTreeMap<JobId, Arc<Job>>>,
}

impl Table {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<JobId, Arc<Job>>> {
        self.jobs.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<JobId, Arc<Job>>> {
        self.jobs.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job.
    pub(super) fn insert(&self, job: Arc<Job>) {
        self.write().insert(job.id.clone(), job);
    }

    /// Returns a job.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Job>> {
        self.read().get(id).cloned()
    }

    /// Returns the jobs that have not ended, in the order of submission.
    pub(super) fn open_jobs(&self) -> Vec<Arc<Job>> {
        self.read()
            .values()
            .filter(|job| !job.is_final())
            .cloned()
            .collect()
    }

    /// Returns one page, the newest first, and the name to go on after, if there is more.
    pub(super) fn page(
        &self,
        after: Option<&str>,
        state: Option<JobState>,
        limit: usize,
        fits: impl Fn(&JobView) -> bool,
    ) -> (Vec<JobView>, Option<String>) {
        let end = after.map_or(Bound::Unbounded, Bound::Excluded);
        let jobs = self.read();
        let mut found = jobs
            .range::<str, _>((Bound::Unbounded, end))
            .rev()
            .map(|(_, job)| job)
            .filter(|job| state.is_none_or(|state| job.state() == state))
            .map(|job| job.view())
            .filter(|view| fits(view));
        let page: Vec<JobView> = found.by_ref().take(limit).collect();
        let more = found.next().is_some();
        let last = page.last().filter(|_| more).map(|view| view.job_id.clone());
        (page, last)
    }

    /// Counts the jobs that wait, that work and that have ended.
    pub(super) fn count(&self) -> (usize, usize, usize) {
        let jobs = self.read();
        let count = |test: fn(&Job) -> bool| jobs.values().filter(|job| test(job)).count();
        (
            count(Job::is_waiting),
            count(Job::is_claimed),
            count(Job::is_final),
        )
    }

    /// Returns the kind and the state of each job.
    pub(super) fn kinds_and_states(&self) -> Vec<(JobKind, JobState)> {
        let jobs = self.read();
        jobs.values().map(|job| (job.lane.kind, job.state())).collect()
    }

    /// Takes out the oldest jobs that ended, as many as are too many, and returns the names of those
    /// whose entries in the ledger go too.
    pub(super) fn take_surplus(&self, max_kept: usize) -> Vec<JobId> {
        let mut jobs = self.write();
        let ended: Vec<(JobId, u64)> = jobs
            .values()
            .filter(|job| job.is_final())
            .map(|job| (job.id.clone(), job.bytes()))
            .collect();
        let sizes: Vec<u64> = ended.iter().map(|(_, bytes)| *bytes).collect();
        let too_many = surplus(&sizes, max_kept, MAX_KEPT_BYTES);
        let forgotten = ended.iter().take(too_many).filter_map(|(id, _)| jobs.remove(id));
        forgotten
            .filter(|job| !job.is_entry_left_alone())
            .map(|job| job.id.clone())
            .collect()
    }
}

/// Returns how many of the oldest are too many. The newest one stays in any case: somebody is waiting for it.
fn surplus(sizes: &[u64], max_count: usize, max_bytes: u64) -> usize {
    let mut room = max_bytes;
    let fits = sizes
        .iter()
        .rev()
        .take(max_count.max(1))
        .enumerate()
        .take_while(|(position, size)| {
            let fits = *position == 0 || **size <= room;
            room = room.saturating_sub(**size);
            fits
        });
    sizes.len() - fits.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sizes: &[u64], max_count: usize, max_bytes: u64, expected: usize) {
        assert_eq!(surplus(sizes, max_count, max_bytes), expected, "{sizes:?}");
    }

    #[test]
    fn the_oldest_beyond_either_limit_are_too_many() {
        check(&[], 3, 100, 0);
        check(&[1, 1, 1], 3, 100, 0);
        check(&[1, 1, 1, 1, 1], 3, 100, 2);
        check(&[50, 40, 30], 3, 100, 1);
        check(&[50, 40, 60], 3, 100, 1);
        check(&[1, 1, 200], 3, 100, 2);
        check(&[1, 1], 0, 100, 1);
    }
}
