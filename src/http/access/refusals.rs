//! How many refusals are written into the audit log: some per user and minute, so that nobody fills it. Lines of the log
//! have a limit of their own.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::throttle::Throttle;

/// How many refusals of one user are written in a minute.
const MAX_PER_MINUTE: u32 = 10;

/// The refusals of the last minute, by user.
#[derive(Debug, Default)]
pub(in crate::http) struct Refusals(Mutex<Throttle<Option<u32>>>);

impl Refusals {
    /// Tells whether a refusal is written, and then how many before it were not.
    pub(super) fn admit(&self, uid: Option<u32>) -> Option<u64> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.admit(uid, MAX_PER_MINUTE, Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_fills_no_log_and_takes_nothing_from_another() {
        let refusals = Refusals::default();
        for _ in 0..MAX_PER_MINUTE {
            assert_eq!(refusals.admit(Some(1)), Some(0));
        }
        assert_eq!(
            (refusals.admit(Some(1)), refusals.admit(Some(2))),
            (None, Some(0))
        );
    }
}
