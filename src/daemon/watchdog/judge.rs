//! What a round of the watchdog means. Pure: no clock, no actors, no service manager.
//!
//! An actor that does not answer is well as long as it takes steps. One that waits for the disk is reported, and that is
//! all: another one in its place would wait as well. One that does neither is replaced, and when its successor does not
//! answer either, the service manager is not told any more that the daemon works.

use std::collections::BTreeMap;

use crate::storage::liveness::{Answer, Vital};

/// So many rounds without an answer and without a step, and something is done.
pub(super) const MAX_SILENT_ROUNDS: u32 = 2;

/// What came of asking everybody.
#[derive(Debug)]
pub(super) enum Round {
    /// The runtime answered for the actors.
    Asked(Vec<Vital>),
    /// The runtime itself did nothing within the period.
    Starved,
}

/// What follows from a round.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether the service manager may be told that work gets done.
    pub(super) alive: bool,
    /// Actors to be replaced.
    pub(super) replace: Vec<String>,
    /// Who does not answer, for the operator.
    pub(super) silences: Vec<String>,
}

/// Remembers the rounds before.
#[derive(Debug, Default)]
pub(super) struct Judge {
    actors: BTreeMap<String, Seen>,
    starved_rounds: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    steps: u64,
    /// Rounds without an answer and without a step.
    silent_rounds: u32,
    was_replaced: bool,
}

impl Judge {
    /// Judges a round.
    pub(super) fn judge(&mut self, round: Round) -> Verdict {
        let vitals = match round {
            Round::Starved => return self.starved(),
            Round::Asked(vitals) => vitals,
        };
        self.starved_rounds = 0;
        let mut verdict = Verdict {
            alive: true,
            ..Verdict::default()
        };
        let mut actors = BTreeMap::new();
        for vital in vitals {
            let mut seen = self.actors.get(&vital.actor).copied().unwrap_or_default();
            seen.look(&vital, &mut verdict);
            actors.insert(vital.actor, seen);
        }
        self.actors = actors;
        verdict
    }

    fn starved(&mut self) -> Verdict {
        self.starved_rounds += 1;
        Verdict {
            alive: self.starved_rounds < MAX_SILENT_ROUNDS,
            silences: vec!["no thread of the runtime is free".to_owned()],
            ..Verdict::default()
        }
    }
}

impl Seen {
    fn look(&mut self, vital: &Vital, verdict: &mut Verdict) {
        let has_moved = vital.steps != self.steps;
        self.steps = vital.steps;
        let waits = match vital.answer {
            Answer::Lives => {
                *self = Self {
                    steps: vital.steps,
                    ..Self::default()
                };
                return;
            }
            // Being started is not silence; nor does it make the silence of its predecessor good.
            Answer::Absent => return,
            Answer::Silent { .. } if has_moved => {
                self.silent_rounds = 0;
                return;
            }
            Answer::Silent { waits } => waits,
        };
        self.silent_rounds += 1;
        if self.silent_rounds < MAX_SILENT_ROUNDS {
            return;
        }
        let actor = &vital.actor;
        if waits {
            verdict.silences.push(format!("{actor} waits for the disk"));
            return;
        }
        if vital.replaceable && !self.was_replaced {
            (self.was_replaced, self.silent_rounds) = (true, 0);
            verdict
                .silences
                .push(format!("{actor} did not answer and was replaced"));
            verdict.replace.push(actor.clone());
            return;
        }
        verdict.silences.push(format!("{actor} does not answer"));
        verdict.alive = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIVES: Answer = Answer::Lives;
    const HANGS: Answer = Answer::Silent { waits: false };
    const WAITS: Answer = Answer::Silent { waits: true };

    fn vital(actor: &str, answer: Answer, steps: u64) -> Vital {
        Vital {
            actor: actor.to_owned(),
            answer,
            steps,
            replaceable: !actor.ends_with("supervisor"),
        }
    }

    fn round(answers: &[(&str, Answer, u64)]) -> Round {
        let vitals = answers
            .iter()
            .map(|(actor, answer, steps)| vital(actor, *answer, *steps));
        Round::Asked(vitals.collect())
    }

    fn check(judge: &mut Judge, answers: &[(&str, Answer, u64)], alive: bool, replace: &[&str], said: &str) {
        let verdict = judge.judge(round(answers));
        let expected: Vec<String> = replace.iter().map(|actor| (*actor).to_owned()).collect();
        assert_eq!(
            (verdict.alive, &verdict.replace),
            (alive, &expected),
            "{answers:?} {verdict:?}"
        );
        assert_eq!(verdict.silences.join("; "), said, "{answers:?}");
    }

    #[test]
    fn everybody_who_answers_keeps_the_daemon_alive() {
        let mut judge = Judge::default();
        for _ in 0..10 {
            check(
                &mut judge,
                &[("shard 69", LIVES, 0), ("index", LIVES, 0)],
                true,
                &[],
                "",
            );
        }
    }

    #[test]
    fn an_actor_that_hangs_is_replaced_and_when_that_does_not_help_the_daemon_is_not_alive() {
        let mut judge = Judge::default();
        let hangs = &[("shard 69", HANGS, 5), ("index", LIVES, 1)];
        check(
            &mut judge,
            &[("shard 69", LIVES, 5), ("index", LIVES, 1)],
            true,
            &[],
            "",
        );
        check(&mut judge, hangs, true, &[], "");
        check(
            &mut judge,
            hangs,
            true,
            &["shard 69"],
            "shard 69 did not answer and was replaced",
        );
        check(&mut judge, &[("shard 69", Answer::Absent, 5)], true, &[], "");
        check(&mut judge, hangs, true, &[], "");
        check(&mut judge, hangs, false, &[], "shard 69 does not answer");
        check(&mut judge, hangs, false, &[], "shard 69 does not answer");
    }

    #[test]
    fn a_successor_that_answers_makes_it_good() {
        let mut judge = Judge::default();
        let hangs = &[("shard 69", HANGS, 5)];
        check(&mut judge, &[("shard 69", LIVES, 5)], true, &[], "");
        check(&mut judge, hangs, true, &[], "");
        check(
            &mut judge,
            hangs,
            true,
            &["shard 69"],
            "shard 69 did not answer and was replaced",
        );
        check(&mut judge, &[("shard 69", LIVES, 6)], true, &[], "");
        check(&mut judge, &[("shard 69", HANGS, 6)], true, &[], "");
        check(
            &mut judge,
            &[("shard 69", HANGS, 6)],
            true,
            &["shard 69"],
            "shard 69 did not answer and was replaced",
        );
    }

    #[test]
    fn an_actor_that_is_busy_is_left_alone() {
        let mut judge = Judge::default();
        for steps in 1..20 {
            check(&mut judge, &[("watcher", HANGS, steps)], true, &[], "");
        }
    }

    #[test]
    fn a_disk_that_hangs_is_reported_and_nobody_is_replaced() {
        let mut judge = Judge::default();
        check(&mut judge, &[("index", LIVES, 3)], true, &[], "");
        check(&mut judge, &[("index", WAITS, 3)], true, &[], "");
        for _ in 0..20 {
            check(
                &mut judge,
                &[("index", WAITS, 3)],
                true,
                &[],
                "index waits for the disk",
            );
        }
        check(&mut judge, &[("index", LIVES, 4)], true, &[], "");
    }

    #[test]
    fn a_supervisor_cannot_be_replaced() {
        let mut judge = Judge::default();
        check(&mut judge, &[("storage supervisor", HANGS, 0)], true, &[], "");
        check(
            &mut judge,
            &[("storage supervisor", HANGS, 0)],
            false,
            &[],
            "storage supervisor does not answer",
        );
    }

    #[test]
    fn a_starved_runtime_is_not_alive_for_long() {
        let mut judge = Judge::default();
        assert!(judge.judge(Round::Starved).alive, "a hiccup");
        assert!(!judge.judge(Round::Starved).alive);
        check(&mut judge, &[("index", LIVES, 0)], true, &[], "");
        assert!(judge.judge(Round::Starved).alive, "counted anew");
    }
}
