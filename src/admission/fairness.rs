//! Who may have how much. Pure.
//!
//! Places are shared at two levels: among the users of the host, and among the processes of one user. The rule is the same at
//! both: nobody may have more than three quarters of what the others have left. So one alone gets three quarters, two get
//! three sevenths each, and there is always something left for whoever comes next.

/// One of so many parts of what the others have left is left, too.
const KEPT_OF: usize = 4;

/// What is there, and who has it, as somebody finds it who wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// How much there is for all.
    pub(super) all: usize,
    /// How much one user may have, whatever is left.
    pub(super) per_peer: usize,
    /// How much is taken.
    pub(super) taken: usize,
    /// How much of it the user has.
    pub(super) of_peer: usize,
    /// How much of that the process has; `None` when the process is not known.
    pub(super) of_process: Option<usize>,
}

/// What is said to whoever wants more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Take it.
    Fits,
    /// There is no room for anybody.
    Full,
    /// The user has as much as one user may have.
    PeerFull,
    /// What is left is for other users.
    KeptForPeers,
    /// What is left of that of the user is for their other processes.
    KeptForProcesses,
}

impl Found {
    /// Decides about so much more.
    ///
    /// What is larger than everything goes alone: else it never went. Who has nothing gets something as long as there is
    /// room for it, and their user is within what one user may have at all.
    pub(super) fn judge(&self, amount: usize) -> Verdict {
        let by_peer = self.of_peer.saturating_add(amount);
        if amount > self.all.saturating_sub(self.taken) && (self.taken > 0 || self.all == 0) {
            return Verdict::Full;
        }
        if by_peer > self.limit_of_peer() && (self.of_peer > 0 || self.limit_of_peer() == 0) {
            return Verdict::PeerFull;
        }
        let held = self.of_process.unwrap_or(self.of_peer);
        if held == 0 {
            return Verdict::Fits;
        }
        if by_peer > self.share_of_peer() {
            return Verdict::KeptForPeers;
        }
        if self.of_process.is_some() && held.saturating_add(amount) > self.share_of_process() {
            return Verdict::KeptForProcesses;
        }
        Verdict::Fits
    }

    /// What one user may have, however little the others have.
    pub(super) fn limit_of_peer(&self) -> usize {
        self.per_peer.min(most_of(self.all))
    }

    /// What the user may have now.
    pub(super) fn share_of_peer(&self) -> usize {
        let others = self.taken.saturating_sub(self.of_peer);
        self.limit_of_peer().min(most_of(self.all.saturating_sub(others)))
    }

    /// What the process may have now.
    fn share_of_process(&self) -> usize {
        let others = self.of_peer - self.of_process.unwrap_or(0).min(self.of_peer);
        most_of(self.share_of_peer().saturating_sub(others))
    }
}

/// Returns what one may have of what the others have left.
const fn most_of(left: usize) -> usize {
    left - left / KEPT_OF
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `process` is what the process has; less than nothing when it is not known.
    fn check(taken: usize, of_peer: usize, process: isize, amount: usize, expected: Verdict) {
        let found = Found {
            all: 100,
            per_peer: 60,
            taken,
            of_peer,
            of_process: usize::try_from(process).ok(),
        };
        assert_eq!(found.judge(amount), expected, "{amount} more of {found:?}");
    }

    #[test]
    fn a_process_alone_may_have_three_quarters_of_what_its_user_may_have() {
        check(0, 0, 0, 1, Verdict::Fits);
        check(44, 44, 44, 1, Verdict::Fits);
        check(45, 45, 45, 1, Verdict::KeptForProcesses);
        check(45, 45, -1, 1, Verdict::Fits);
        check(60, 60, -1, 1, Verdict::PeerFull);
    }

    #[test]
    fn what_others_have_makes_the_share_smaller() {
        // The others have 50: three quarters of what they left are 38, and of these a process has 29.
        check(78, 28, 28, 1, Verdict::Fits);
        check(79, 29, 29, 1, Verdict::KeptForProcesses);
        check(88, 38, 10, 1, Verdict::KeptForPeers);
        // A neighbour of the same user has 20: three quarters of the other 40 are 30.
        check(49, 49, 29, 1, Verdict::Fits);
        check(50, 50, 30, 1, Verdict::KeptForProcesses);
    }

    #[test]
    fn who_has_nothing_gets_something_while_there_is_anything() {
        check(99, 0, 0, 1, Verdict::Fits);
        check(99, 59, 0, 1, Verdict::Fits);
        check(99, 60, 0, 1, Verdict::PeerFull);
        check(100, 0, 0, 1, Verdict::Full);
        check(120, 0, 0, 1, Verdict::Full);
    }

    #[test]
    fn what_is_larger_than_everything_goes_alone() {
        check(0, 0, 0, 500, Verdict::Fits);
        check(1, 0, 0, 500, Verdict::Full);
        check(0, 0, 0, 80, Verdict::Fits);
        check(10, 10, 10, 80, Verdict::PeerFull);
    }

    #[test]
    fn small_bounds_keep_nothing_back_and_none_lets_nobody_in() {
        let judge = |all, per_peer, held: usize| {
            let found = Found {
                all,
                per_peer,
                taken: held,
                of_peer: held,
                of_process: Some(held),
            };
            found.judge(1)
        };
        assert_eq!(judge(1, 1, 0), Verdict::Fits);
        assert_eq!(judge(3, 3, 2), Verdict::Fits);
        assert_eq!(judge(4, 4, 2), Verdict::Fits);
        assert_eq!(judge(4, 4, 3), Verdict::PeerFull);
        assert_eq!(judge(0, 1, 0), Verdict::Full);
        assert_eq!(judge(1, 0, 0), Verdict::PeerFull);
    }
}
