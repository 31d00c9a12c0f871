//! How often something is said: so many times in a minute for each key, and then how many times it was not.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// How long the times of one key are counted together.
pub const WINDOW: Duration = Duration::from_secs(60);

/// How many keys are remembered; the one that began first makes room.
pub const MAX_KEYS: usize = 1_024;

/// What was said in the last minute, by key. It has no clock: the time is handed in.
#[derive(Debug)]
pub struct Throttle<K>(HashMap<K, Window>);

#[derive(Debug)]
struct Window {
    since: Instant,
    said: u32,
    left_out: u64,
}

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Throttle<K> {
    /// Tells whether something may be said, and then how many times before it were left out; `None` when it was said `max`
    /// times since the window of its key began.
    pub fn admit(&mut self, key: K, max: u32, now: Instant) -> Option<u64> {
        if self.0.len() >= MAX_KEYS && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let window = self.0.entry(key).or_insert(Window {
            since: now,
            said: 0,
            left_out: 0,
        });
        if window.is_over(now) {
            (window.since, window.said) = (now, 0);
        }
        if window.said >= max {
            window.left_out += 1;
            return None;
        }
        window.said += 1;
        Some(std::mem::take(&mut window.left_out))
    }

    /// Returns the keys whose window is over and of which something was left out, with how much. They are forgotten by that.
    pub fn take_overdue(&mut self, now: Instant) -> Vec<(K, u64)> {
        self.take(|window| window.is_over(now))
    }

    /// As [`Throttle::take_overdue`], for every key: there will be no later time to say it.
    pub fn take_all(&mut self) -> Vec<(K, u64)> {
        self.take(|_| true)
    }

    fn take(&mut self, is_taken: impl Fn(&Window) -> bool) -> Vec<(K, u64)> {
        let taken = self.0.extract_if(|_, window| is_taken(window));
        let counts = taken.map(|(key, window)| (key, window.left_out));
        counts.filter(|(_, left_out)| *left_out > 0).collect()
    }

    fn make_room(&mut self, now: Instant) {
        self.0
            .retain(|_, window| window.left_out > 0 || !window.is_over(now));
        if self.0.len() >= MAX_KEYS {
            let first = self.0.iter().min_by_key(|(_, window)| window.since);
            let first = first.map(|(key, _)| key.clone());
            first.and_then(|key| self.0.remove(&key));
        }
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= WINDOW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u32 = 10;

    #[test]
    fn some_times_of_each_key_are_said_in_a_minute_and_the_next_one_knows_how_many_were_not() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..MAX {
            assert_eq!(throttle.admit(1, MAX, now), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(throttle.admit(1, MAX, now + WINDOW / 2), None);
        }
        assert_eq!(throttle.admit(2, MAX, now), Some(0));
        assert_eq!(throttle.admit(1, MAX, now + WINDOW), Some(7));
        assert_eq!(throttle.admit(1, MAX, now + WINDOW), Some(0));
    }

    #[test]
    fn what_was_left_out_is_told_once_when_its_minute_is_over_or_there_is_no_later() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let fill = |throttle: &mut Throttle<&str>| {
            for _ in 0..MAX + 3 {
                let _said = throttle.admit("a", MAX, now);
            }
            let _said = throttle.admit("b", MAX, now);
        };
        fill(&mut throttle);
        assert_eq!(throttle.take_overdue(now + WINDOW / 2), []);
        assert_eq!(throttle.take_overdue(now + WINDOW), [("a", 3)]);
        assert_eq!(throttle.take_overdue(now + WINDOW), []);
        fill(&mut throttle);
        assert_eq!(throttle.take_all(), [("a", 3)]);
        assert_eq!(throttle.take_all(), []);
    }

    #[test]
    fn the_memory_of_keys_is_bounded_and_the_oldest_makes_room() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for key in 0..5_000_u64 {
            let at = now + Duration::from_millis(key);
            assert_eq!(throttle.admit(key, 1, at), Some(0));
        }
        assert!(throttle.0.len() <= MAX_KEYS);
        assert_eq!(
            throttle.admit(4_999, 1, now + Duration::from_secs(5)),
            None,
            "still known"
        );
    }
}
