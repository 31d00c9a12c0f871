//! Which keys are read, and texts to write. Pure and repeatable.

use std::fmt::Write as _;

/// Numbers that look random and are the same in every run.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    state: u64,
}

impl Dice {
    /// Begins a sequence; other seeds give other sequences.
    pub(super) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Returns the next number (SplitMix64).
    pub(super) fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below a bound.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The bias is far below what a benchmark could show.
        self.roll() % bound.max(1)
    }

    /// Returns a number from 0 to 1, without 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double")]
    fn share(&mut self) -> f64 {
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A skewed choice among `n` things: the k-th is chosen in proportion to 1/k (Zipf's law with exponent 1).
#[derive(Debug, Clone)]
pub(super) struct Skew {
    /// The share of the first k + 1 things, ascending to 1.
    sums: Vec<f64>,
}

impl Skew {
    /// Prepares a choice among at least one thing.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of things to choose from are small"
    )]
    pub(super) fn among(n: usize) -> Self {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = (1..=n.max(1))
            .map(|rank| {
                sum += 1.0 / rank as f64;
                sum
            })
            .collect();
        sums.iter_mut().for_each(|share| *share /= sum);
        Self { sums }
    }

    /// Chooses; 0 is the most popular.
    pub(super) fn choose(&self, dice: &mut Dice) -> usize {
        let share = dice.share();
        self.sums
            .partition_point(|sum| *sum <= share)
            .min(self.sums.len() - 1)
    }
}

/// Returns the name of the n-th prompt that is made to be read.
pub(super) fn prompt_name(n: u32) -> String {
    format!("{READ_PREFIX}{n:06}")
}

/// What the names of prompts begin with that are made to be read.
pub(super) const READ_PREFIX: &str = "bench-";

/// Returns a text of about so many bytes that no other prompt and version has.
pub(super) fn text(prompt: &str, version: u64, bytes: usize) -> String {
    const SENTENCES: [&str; 5] = [
        "You answer questions of customers of a parcel service. ",
        "Use the customer's name {{customer_name}} once, at the beginning.\n",
        "Say where the parcel {{tracking_number}} is and when it will arrive.\n",
        "Do not promise anything that the tracking data does not say. ",
        "Write at most three sentences, in the language of the question.\n",
    ];
    let mut text = format!("# {prompt}, text {version}\n\n");
    for sentence in SENTENCES.iter().cycle() {
        if text.len() >= bytes {
            break;
        }
        let _ = write!(text, "{sentence}");
    }
    text.truncate(bytes.max(prompt.len() + 32));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_keys_are_chosen_often_and_all_of_them_sometimes() {
        let (skew, mut dice) = (Skew::among(1000), Dice::new(1));
        let mut counts = vec![0u32; 1000];
        for _ in 0..200_000 {
            counts[skew.choose(&mut dice)] += 1;
        }
        // The harmonic number of 1000 is 7.485: the first key gets 13.4 %, the first hundred 69.3 %.
        assert!((25_700..27_700).contains(&counts[0]), "{}", counts[0]);
        let head: u32 = counts[..100].iter().sum();
        assert!((136_600..140_600).contains(&head), "{head}");
        assert!(counts.iter().all(|count| *count > 0));
    }

    #[test]
    fn one_key_is_always_chosen() {
        let mut dice = Dice::new(7);
        assert!((0..100).all(|_| Skew::among(1).choose(&mut dice) == 0));
        assert_eq!(Skew::among(0).choose(&mut dice), 0);
    }

    #[test]
    fn runs_repeat_and_clients_differ() {
        let rolls = |seed: u64| {
            let mut dice = Dice::new(seed);
            [dice.roll(), dice.roll(), dice.below(10)]
        };
        assert_eq!(rolls(1), rolls(1));
        assert_ne!(rolls(1), rolls(2));
    }

    #[test]
    fn texts_have_their_size_and_their_own_content() {
        assert_eq!(text("bench-000001", 3, 2000).len(), 2000);
        assert_ne!(text("bench-000001", 3, 20), text("bench-000001", 4, 20));
    }
}
