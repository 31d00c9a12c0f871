//! How many refusals are logged: some per user and minute, so that nobody fills the logs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many refusals of one user are logged in a minute.
const MAX_PER_MINUTE: u32 = 10;

/// How many users are remembered; past that, all are forgotten.
const MAX_USERS: usize = 1_024;

const MINUTE: Duration = Duration::from_secs(60);

/// The refusals of the last minute.
#[derive(Debug, Default)]
pub(in crate::http) struct Refusals(Mutex<HashMap<u32, Recent>>);

#[derive(Debug)]
struct Recent {
    since: Instant,
    logged: u32,
    left_out: u64,
}

impl Refusals {
    /// Tells whether a refusal is logged, and then how many before it were not.
    pub(super) fn admit(&self, uid: u32) -> Option<u64> {
        self.admit_at(uid, Instant::now())
    }

    fn admit_at(&self, uid: u32, now: Instant) -> Option<u64> {
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= MAX_USERS && !users.contains_key(&uid) {
            users.clear();
        }
        let recent = users.entry(uid).or_insert(Recent {
            since: now,
            logged: 0,
            left_out: 0,
        });
        if now.duration_since(recent.since) >= MINUTE {
            (recent.since, recent.logged) = (now, 0);
        }
        if recent.logged >= MAX_PER_MINUTE {
            recent.left_out += 1;
            return None;
        }
        recent.logged += 1;
        Some(std::mem::take(&mut recent.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_refusals_of_each_user_are_logged_in_a_minute_and_the_next_one_says_how_many_were_not() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for _ in 0..MAX_PER_MINUTE {
            assert_eq!(refusals.admit_at(1, now), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(refusals.admit_at(1, now + MINUTE / 2), None);
        }
        assert_eq!(refusals.admit_at(2, now), Some(0));
        assert_eq!(refusals.admit_at(1, now + MINUTE), Some(7));
        assert_eq!(refusals.admit_at(1, now + MINUTE), Some(0));
    }

    #[test]
    fn the_memory_of_users_is_bounded() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        for uid in 0..5_000 {
            assert_eq!(refusals.admit_at(uid, now), Some(0));
        }
        assert!(refusals.0.lock().unwrap().len() <= MAX_USERS);
    }
}
