//! Which jobs may start. Pure.
//!
//! Authors take turns: a place goes to the author of whom fewest jobs of the kind run, among those to the one whose last
//! start is longest ago, and only then to the job that was submitted first. So nobody waits for all the jobs that somebody
//! else submitted before.

use std::collections::{HashMap, HashSet};

use super::JobKind;

/// How many authors are remembered by kind; past that, all are forgotten, and whoever submitted first is first.
const MAX_REMEMBERED: usize = 1_024;

/// The user who submitted a job; none is the daemon.
pub(super) type AuthorId = Option<u32>;

/// What a job competes for: jobs of one lane run one after the other.
///
/// Two imports of one workflow share a lane and keep their order whoever submitted them, so that the one submitted last
/// decides what the latest version says. Where the lane has no key, those of one author keep their order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Lane {
    /// The kind of the job.
    pub(super) kind: JobKind,
    /// What tells lanes of one kind apart: the workflow of an import, nothing otherwise.
    pub(super) key: String,
}

/// A job that wants to start, or that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) lane: Lane,
    pub(super) author: AuthorId,
}

/// Who started when: a number that only grows.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns {
    count: u64,
    last: HashMap<(JobKind, AuthorId), u64>,
}

impl Turns {
    fn last(&self, of: &Candidate) -> u64 {
        self.last.get(&(of.lane.kind, of.author)).copied().unwrap_or(0)
    }

    fn note(&mut self, of: &Candidate) {
        if self.last.len() >= MAX_REMEMBERED {
            self.last.clear();
        }
        self.count += 1;
        self.last.insert((of.lane.kind, of.author), self.count);
    }
}

/// Returns which of the waiting jobs start now, by position, and notes their turns. Both lists are in the order of submission.
pub(super) fn who_starts(waiting: &[Candidate], running: &[Candidate], turns: &mut Turns) -> Vec<usize> {
    let mut busy: Vec<&Candidate> = running.iter().collect();
    let mut starts = Vec::new();
    while let Some((position, next)) = next_to_start(waiting, &starts, &busy, turns) {
        turns.note(next);
        busy.push(next);
        starts.push(position);
    }
    starts.sort_unstable();
    starts
}

fn next_to_start<'w>(
    waiting: &'w [Candidate],
    starts: &[usize],
    busy: &[&Candidate],
    turns: &Turns,
) -> Option<(usize, &'w Candidate)> {
    let mut behind = HashSet::new();
    let may_start = waiting.iter().enumerate().filter(|(position, candidate)| {
        if starts.contains(position) {
            return false;
        }
        let whose = if candidate.lane.key.is_empty() {
            Some(candidate.author)
        } else {
            None
        };
        behind.insert((&candidate.lane, whose)) && has_room(&candidate.lane, busy)
    });
    may_start.min_by_key(|(position, candidate)| {
        let kind = candidate.lane.kind;
        let of_author = |other: &&&Candidate| other.lane.kind == kind && other.author == candidate.author;
        (
            busy.iter().filter(of_author).count(),
            turns.last(candidate),
            *position,
        )
    })
}

fn has_room(lane: &Lane, busy: &[&Candidate]) -> bool {
    let of_kind = busy.iter().filter(|other| other.lane.kind == lane.kind);
    of_kind.count() < lane.kind.max_running() && !busy.iter().any(|other| other.lane == *lane)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `import:a/2` is an import of the workflow `a` that user 2 submitted; user 1 where none is named.
    fn candidates(text: &str) -> Vec<Candidate> {
        let candidate = |word: &str| {
            let (lane, author) = word.split_once('/').unwrap_or((word, "1"));
            let (kind, key) = lane.split_once(':').unwrap_or((lane, ""));
            Candidate {
                lane: Lane {
                    kind: JobKind::parse(kind).unwrap(),
                    key: key.to_owned(),
                },
                author: author.parse().ok(),
            }
        };
        text.split_whitespace().map(candidate).collect()
    }

    fn check(waiting: &str, running: &str, starts: &[usize]) {
        let mut turns = Turns::default();
        assert_eq!(
            who_starts(&candidates(waiting), &candidates(running), &mut turns),
            starts,
            "{waiting} beside {running}"
        );
    }

    /// Runs everything, each time ending what has run longest, and returns the authors in the order of their starts.
    fn order_of_starts(waiting: &str) -> Vec<AuthorId> {
        let (mut waiting, mut running) = (candidates(waiting), Vec::new());
        let (mut turns, mut order) = (Turns::default(), Vec::new());
        while !waiting.is_empty() {
            let starts = who_starts(&waiting, &running, &mut turns);
            for position in starts.iter().rev() {
                running.push(waiting.remove(*position));
            }
            order.extend(
                running
                    .iter()
                    .rev()
                    .take(starts.len())
                    .map(|started: &Candidate| started.author),
            );
            running.remove(0);
        }
        order
    }

    #[test]
    fn kinds_do_not_wait_for_each_other() {
        check("verify import:a rebuild_index", "", &[0, 1, 2]);
        check("import:a", "verify rebuild_index", &[0]);
    }

    #[test]
    fn a_second_verification_waits_for_the_first() {
        check("verify verify", "", &[0]);
        check("verify", "verify", &[]);
    }

    #[test]
    fn imports_of_one_workflow_keep_their_order_and_others_overtake_them() {
        check("import:a import:b import:a", "", &[0, 1]);
        check("import:a import:b", "import:a", &[1]);
        check("import:a/1 import:a/2", "", &[0]);
        check("import:a/1 import:a/2", "import:b/1", &[0]);
    }

    #[test]
    fn no_more_imports_run_than_their_limit() {
        check(
            "import:a import:b import:c import:d import:e import:f",
            "",
            &[0, 1, 2, 3],
        );
        check("import:e import:f", "import:a import:b import:c", &[0]);
    }

    #[test]
    fn places_are_divided_among_authors_and_not_by_who_came_first() {
        check(
            "import:a import:b import:c import:d import:e/2 import:f/3",
            "",
            &[0, 1, 4, 5],
        );
        check("import:a import:b/2", "import:c import:d import:e", &[1]);
        check("verify/1 verify/2", "", &[0]);
    }

    #[test]
    fn one_author_with_many_jobs_lets_each_other_have_its_turn() {
        let order = order_of_starts("verify/1 verify/1 verify/1 verify/1 verify/2 verify/2 verify/3");
        assert_eq!(order, [1, 2, 3, 1, 2, 1, 1].map(Some));
    }

    #[test]
    fn whoever_comes_later_starts_after_one_job_of_the_greedy_one_at_most() {
        let mut turns = Turns::default();
        let greedy = candidates(&"verify/1 ".repeat(100));
        assert_eq!(who_starts(&greedy, &[], &mut turns), [0]);
        let running = candidates("verify/1");
        let mut waiting = greedy[1..].to_vec();
        waiting.extend(candidates("verify/2"));
        assert!(who_starts(&waiting, &running, &mut turns).is_empty());
        assert_eq!(who_starts(&waiting, &[], &mut turns), [99]);
    }

    #[test]
    fn the_jobs_of_the_daemon_take_their_turns_too() {
        let order = order_of_starts("collect/1 collect/1 collect/daemon");
        assert_eq!(order, [Some(1), None, Some(1)]);
    }

    #[test]
    fn what_is_remembered_of_turns_is_bounded() {
        let mut turns = Turns::default();
        for uid in 0..10 * u32::try_from(MAX_REMEMBERED).unwrap() {
            turns.note(&candidates(&format!("verify/{uid}"))[0]);
        }
        assert!(turns.last.len() <= MAX_REMEMBERED);
    }
}
