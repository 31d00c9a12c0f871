//! What may be asked of a storage, and what may happen to it, in any order.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest_state_machine::ReferenceStateMachine;

use super::*;

pub(super) const TEXTS: [&str; 3] = ["one", "two", "three"];
pub(super) const LABELS: [&str; 2] = ["production", "staging"];
pub(super) const NUMBERS: [&str; 7] = [
    "0.9.0",
    "1.0.0",
    "1.0.1",
    "1.1.0",
    "2.0.0-rc.1",
    "2.0.0",
    "3.0.0-opt.1",
];
pub(super) const PROMPTS: usize = 3;

/// Two prompts in one shard, and one in another.
pub(super) fn prompt_name(which: usize) -> PromptId {
    match which {
        0 => id("p"),
        1 => id(&neighbour(1)),
        _ => id(STRANGER),
    }
}

/// A version: one that is there, one in the trash, or any.
#[derive(Debug, Clone)]
pub(super) enum Pick {
    Live(Index),
    Trashed(Index),
    Any(usize),
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    PutNext {
        prompt: usize,
        text: usize,
        bump: Bump,
        sameness: Sameness,
    },
    PutExact {
        prompt: usize,
        text: usize,
        version: Pick,
    },
    Delete {
        prompt: usize,
        versions: Vec<Pick>,
        force: bool,
    },
    Restore {
        prompt: usize,
        version: Pick,
    },
    PurgeTrashed {
        prompt: usize,
        version: Pick,
    },
    Purge {
        prompt: usize,
        force: bool,
    },
    SetLabel {
        prompt: usize,
        label: usize,
        version: Pick,
        expected: Option<Option<Pick>>,
    },
    RemoveLabel {
        prompt: usize,
        label: usize,
        expected: Option<Pick>,
    },
    /// Add the result of an execution; results of one execution may differ.
    AddEvidence {
        prompt: usize,
        version: Pick,
        executions: Vec<(usize, bool)>,
    },
    Reopen {
        without_index: bool,
    },
    Crash,
    KillShard {
        prompt: usize,
    },
    Rebuild,
}

fn any_pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        4 => any::<Index>().prop_map(Pick::Live),
        3 => any::<Index>().prop_map(Pick::Trashed),
        2 => (0..NUMBERS.len()).prop_map(Pick::Any),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let prompt = || prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2)];
    let (text, label) = (|| 0..TEXTS.len(), || 0..LABELS.len());
    let bump = prop_oneof![4 => Just(Bump::Patch), 1 => Just(Bump::Minor), 1 => Just(Bump::Major)];
    let sameness = prop_oneof![
        Just(Sameness::Never),
        Just(Sameness::Text),
        Just(Sameness::Content)
    ];
    prop_oneof![
        12 => (prompt(), text(), bump, sameness)
            .prop_map(|(prompt, text, bump, sameness)| Step::PutNext { prompt, text, bump, sameness }),
        6 => (prompt(), text(), any_pick()).prop_map(|(prompt, text, version)| Step::PutExact { prompt, text, version }),
        6 => (prompt(), prop::collection::vec(any_pick(), 0..3), any::<bool>())
            .prop_map(|(prompt, versions, force)| Step::Delete { prompt, versions, force }),
        4 => (prompt(), any_pick()).prop_map(|(prompt, version)| Step::Restore { prompt, version }),
        3 => (prompt(), any_pick()).prop_map(|(prompt, version)| Step::PurgeTrashed { prompt, version }),
        1 => (prompt(), any::<bool>()).prop_map(|(prompt, force)| Step::Purge { prompt, force }),
        4 => (prompt(), label(), any_pick(), prop::option::of(prop::option::of(any_pick())))
            .prop_map(|(prompt, label, version, expected)| Step::SetLabel { prompt, label, version, expected }),
        2 => (prompt(), label(), prop::option::of(any_pick()))
            .prop_map(|(prompt, label, expected)| Step::RemoveLabel { prompt, label, expected }),
        4 => (prompt(), any_pick(), prop::collection::vec((0..3_usize, prop::bool::weighted(0.2)), 1..4))
            .prop_map(|(prompt, version, executions)| Step::AddEvidence { prompt, version, executions }),
        2 => any::<bool>().prop_map(|without_index| Step::Reopen { without_index }),
        2 => Just(Step::Crash),
        2 => prompt().prop_map(|prompt| Step::KillShard { prompt }),
        1 => Just(Step::Rebuild),
    ]
}

/// The order of steps is free, so there is nothing to keep between them.
pub(super) struct Steps;

impl ReferenceStateMachine for Steps {
    type State = ();
    type Transition = Step;

    fn init_state() -> BoxedStrategy<()> {
        Just(()).boxed()
    }

    fn transitions((): &()) -> BoxedStrategy<Step> {
        any_step().boxed()
    }

    fn apply((): (), _step: &Step) {}
}
