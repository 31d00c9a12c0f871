//! Who may have the last places. Pure.
//!
//! Places are shared at two levels: among the users of the host, and among the processes of one user. The rule is the same
//! at both: the last quarter is for those who have less than their share.

/// One of so many parts of a bound is kept for those who have less than their share.
const KEPT_OF: usize = 4;

/// A bound as somebody finds it who wants more of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Level {
    /// How many places there are.
    pub(super) max: usize,
    /// How many are taken.
    pub(super) taken: usize,
    /// How many have one, whoever asks included.
    pub(super) members: usize,
    /// How many whoever asks has.
    pub(super) held: usize,
}

/// What is said to whoever wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Take it.
    Fits,
    /// There is no room for anybody.
    Full,
    /// There is room, but it is kept for those who have less.
    Kept,
}

impl Level {
    /// Decides about so many more places.
    ///
    /// Who has nothing may enter as long as there is room. More than there is at all goes alone: else it never went.
    pub(super) fn judge(&self, amount: usize) -> Verdict {
        let free = self.max.saturating_sub(self.taken);
        if amount > free {
            let is_alone = self.taken == 0 && self.max > 0;
            return if is_alone { Verdict::Fits } else { Verdict::Full };
        }
        let is_plenty = free - amount >= kept(self.max);
        let is_below_share = self.held == 0 || self.held.saturating_add(amount) <= self.share();
        if is_plenty || is_below_share {
            Verdict::Fits
        } else {
            Verdict::Kept
        }
    }

    /// Tells whether what is left after so many more is what is kept.
    pub(super) fn is_scarce(&self, amount: usize) -> bool {
        self.max.saturating_sub(self.taken).saturating_sub(amount) < kept(self.max)
    }

    /// Returns the share of one: as if one more were there, so that there is room when they come.
    pub(super) fn share(&self) -> usize {
        self.max / self.members.saturating_add(1)
    }
}

/// Returns how much of a bound is kept for those who have less than their share.
pub(super) const fn kept(max: usize) -> usize {
    max / KEPT_OF
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(max: usize, taken: usize, members: usize, held: usize, amount: usize, expected: Verdict) {
        let level = Level {
            max,
            taken,
            members,
            held,
        };
        assert_eq!(level.judge(amount), expected, "{amount} more of {level:?}");
    }

    #[test]
    fn three_quarters_are_for_whoever_comes_first() {
        check(100, 0, 1, 0, 1, Verdict::Fits);
        check(100, 74, 1, 74, 1, Verdict::Fits);
        check(100, 75, 1, 75, 1, Verdict::Kept);
    }

    #[test]
    fn the_last_quarter_is_for_those_below_their_share() {
        check(100, 75, 2, 0, 1, Verdict::Fits);
        check(100, 99, 2, 24, 1, Verdict::Fits);
        check(100, 76, 2, 33, 1, Verdict::Kept);
        check(100, 76, 2, 32, 1, Verdict::Fits);
        check(100, 99, 50, 1, 1, Verdict::Fits);
        check(100, 99, 99, 1, 1, Verdict::Kept);
    }

    #[test]
    fn what_is_full_is_full_for_everybody() {
        check(100, 100, 2, 0, 1, Verdict::Full);
        check(100, 120, 2, 0, 1, Verdict::Full);
        check(0, 0, 1, 0, 1, Verdict::Full);
    }

    #[test]
    fn a_small_bound_keeps_nothing_back() {
        check(1, 0, 1, 0, 1, Verdict::Fits);
        check(3, 2, 1, 2, 1, Verdict::Fits);
        check(4, 3, 1, 3, 1, Verdict::Kept);
        check(4, 3, 2, 0, 1, Verdict::Fits);
    }

    #[test]
    fn what_is_larger_than_everything_goes_alone() {
        check(100, 0, 1, 0, 500, Verdict::Fits);
        check(100, 1, 2, 0, 500, Verdict::Full);
        check(100, 10, 2, 0, 90, Verdict::Fits);
        check(100, 10, 1, 10, 90, Verdict::Kept);
    }
}
