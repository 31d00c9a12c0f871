//! Chance that can be had again: the same seed, the same choices.

use std::time::Duration;

/// A source of numbers that look random (SplitMix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Makes dice from the seed in an environment variable, or from a new one; says which.
    pub fn from_variable(variable: &str) -> Self {
        let given = std::env::var(variable).ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            u64::from(since_1970.unwrap().subsec_nanos()) ^ (u64::from(std::process::id()) << 32)
        });
        eprintln!("seed {seed}; {variable}={seed} makes the same choices again");
        Self(seed)
    }

    /// Returns the seed from which all further choices follow.
    pub fn seed(&self) -> u64 {
        self.0
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }

    /// Returns a time below a limit.
    pub fn time(&mut self, limit: Duration) -> Duration {
        let micros = usize::try_from(limit.as_micros()).unwrap();
        Duration::from_micros(self.below(micros) as u64)
    }

    /// Returns one of several things.
    pub fn one_of<T: Clone>(&mut self, things: &[T]) -> Option<T> {
        (!things.is_empty()).then(|| things[self.below(things.len())].clone())
    }

    /// Makes dice of their own for somebody else.
    pub fn split(&mut self) -> Self {
        Self(self.next())
    }
}
