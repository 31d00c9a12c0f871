//! Which jobs may start. Pure.

use super::JobKind;

/// What a job competes for: jobs of one lane run one after the other, in the order in which they were submitted.
///
/// Two imports of one workflow share a lane, so that the one submitted last decides what the latest version says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    /// The kind of the job.
    pub(super) kind: JobKind,
    /// What tells lanes of one kind apart: the workflow of an import, nothing otherwise.
    pub(super) key: String,
}

/// Returns which of the waiting jobs start now, by position. Both lists are in the order of submission.
pub(super) fn who_starts(waiting: &[Lane], running: &[Lane]) -> Vec<usize> {
    let mut busy: Vec<&Lane> = running.iter().collect();
    let mut passed_over: Vec<&Lane> = Vec::new();
    let mut starts = Vec::new();
    for (position, lane) in waiting.iter().enumerate() {
        let room = busy.iter().filter(|other| other.kind == lane.kind).count() < lane.kind.max_running();
        if room && !busy.contains(&lane) && !passed_over.contains(&lane) {
            busy.push(lane);
            starts.push(position);
        } else {
            passed_over.push(lane);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes(text: &str) -> Vec<Lane> {
        let lane = |word: &str| {
            let (kind, key) = word.split_once(':').unwrap_or((word, ""));
            Lane {
                kind: JobKind::parse(kind).unwrap(),
                key: key.to_owned(),
            }
        };
        text.split_whitespace().map(lane).collect()
    }

    fn check(waiting: &str, running: &str, starts: &[usize]) {
        assert_eq!(
            who_starts(&lanes(waiting), &lanes(running)),
            starts,
            "{waiting} beside {running}"
        );
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
}
