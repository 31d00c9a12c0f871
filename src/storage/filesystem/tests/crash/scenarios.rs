//! What is going on when the power fails.

use super::by_hand::Deed;
use super::oracle::Op;
use super::*;

/// A step of a scenario.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Clients ask for these at the same time; the shard takes them in one piece of work.
    Ask(Vec<Op>),
    /// A client asks for a version; just before it gets its name, somebody else puts a file there.
    AskAndPlant { op: Op, version: String, text: String },
    /// The next sync of a file fails, and the disk loses the bytes.
    FailSync,
    /// There is no room for the next name of a version.
    FailRename,
    /// A person changes files.
    ByHand(Deed),
    /// The index is written.
    WriteIndex,
    /// The daemon is started again.
    Restart,
}

/// What goes on.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// Done before, and durable before the power may fail.
    pub(crate) before: Vec<Step>,
    pub(crate) steps: Vec<Step>,
    /// Whether everything is durable when it begins.
    pub(crate) starts_synced: bool,
}

pub(crate) fn put(id: &str, text: &str) -> Op {
    let (id, text) = (id.to_owned(), text.to_owned());
    Op::Put { id, text }
}

fn delete(id: &str, versions: &[&str]) -> Op {
    let versions = versions.iter().map(|&number| number.to_owned()).collect();
    Op::Delete {
        id: id.to_owned(),
        versions,
    }
}

fn ask(op: Op) -> Step {
    Step::Ask(vec![op])
}

fn set_label(label: &str, version: &str) -> Op {
    Op::SetLabel {
        id: "p".into(),
        label: label.into(),
        version: version.into(),
    }
}

fn measure(version: &str, executions: &[&str]) -> Op {
    Op::AddEvidence {
        id: "p".into(),
        version: version.into(),
        executions: executions.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn take_in(id: &str) -> Op {
    Op::TakeIn { id: id.to_owned() }
}

fn trashed(version: &str) -> (String, String) {
    ("p".into(), version.into())
}

/// `p` has 1.0.0, 1.0.2 with the label `production`, 1.0.3; in the trash lie 1.0.1 and 1.0.4. There are test results of
/// 1.0.0 and 1.0.4.
fn usual() -> Vec<Step> {
    let texts = ["zero", "one", "two", "three", "four"];
    let mut steps: Vec<Step> = texts.into_iter().map(|text| ask(put("p", text))).collect();
    steps.push(ask(measure("1.0.0", &["a"])));
    steps.push(ask(measure("1.0.4", &["a", "b"])));
    steps.push(ask(delete("p", &["1.0.1"])));
    steps.push(ask(delete("p", &["1.0.4"])));
    steps.push(ask(set_label("production", "1.0.2")));
    steps
}

/// Each change of a prompt, by a name. Any of them can follow any other.
fn changes() -> Vec<(&'static str, Vec<Op>)> {
    let (forgotten, restored) = (trashed("1.0.4"), trashed("1.0.1"));
    let group = (1..=3).map(|n| put(&neighbour(n), "grouped")).collect();
    vec![
        ("put", vec![put("p", "next")]),
        ("put a new prompt", vec![put(&neighbour(0), "new")]),
        ("put into a new shard", vec![put(STRANGER, "far")]),
        ("put three prompts", group),
        (
            "save under a number",
            vec![Op::Save {
                id: "p".into(),
                version: "2.0.0".into(),
                text: "saved".into(),
            }],
        ),
        ("delete", vec![delete("p", &["1.0.0"])]),
        (
            "restore",
            vec![Op::Restore {
                id: restored.0,
                version: restored.1,
            }],
        ),
        (
            "forget",
            vec![Op::Forget {
                id: forgotten.0,
                version: forgotten.1,
            }],
        ),
        ("add the first results", vec![measure("1.0.2", &["a", "b"])]),
        ("add further results", vec![measure("1.0.3", &["b", "c"])]),
        ("set a label", vec![set_label("staging", "1.0.3")]),
        ("move a label", vec![set_label("production", "1.0.3")]),
        (
            "remove a label",
            vec![Op::RemoveLabel {
                id: "p".into(),
                label: "production".into(),
            }],
        ),
        ("purge", vec![Op::Purge { id: "p".into() }]),
        ("restore from a backup", vec![take_in("p")]),
        ("mend the manifest", vec![Op::MendManifest { id: "p".into() }]),
    ]
}

/// Tells whether one change can come after another: a label that went cannot go again, and nothing but a put follows a
/// purge.
fn fit(first: &str, second: &str) -> bool {
    let makes_p = ["save under a number", "restore from a backup"];
    let needs_p = !second.starts_with("put") && !makes_p.contains(&second);
    let only_once = !second.starts_with("put") && second != "set a label";
    !(first == "purge" && needs_p || first == second && only_once)
}

fn scenario(name: impl Into<String>, before: Vec<Step>, steps: Vec<Step>) -> Scenario {
    Scenario {
        name: name.into(),
        before,
        steps,
        starts_synced: true,
    }
}

/// Each operation alone.
pub(crate) fn singles() -> Vec<Scenario> {
    let mut all: Vec<Scenario> = changes()
        .into_iter()
        .map(|(name, ops)| scenario(name, usual(), vec![Step::Ask(ops)]))
        .collect();
    all.push(scenario(
        "make a store and put",
        vec![],
        vec![ask(put("p", "first"))],
    ));
    all.push(scenario(
        "delete two",
        usual(),
        vec![ask(delete("p", &["1.0.0", "1.0.3"]))],
    ));
    all.push(scenario(
        "delete with a label",
        usual(),
        vec![ask(delete("p", &["1.0.2"]))],
    ));
    all.push(scenario(
        "delete all",
        usual(),
        vec![ask(delete("p", &["1.0.0", "1.0.2", "1.0.3"]))],
    ));
    all.push(scenario(
        "restore a new prompt from a backup",
        usual(),
        vec![ask(take_in(&neighbour(0)))],
    ));
    all.push(scenario(
        "restore into a new shard from a backup",
        usual(),
        vec![ask(take_in(STRANGER))],
    ));
    all.extend(mendings());
    all.push(scenario("write the index", usual(), vec![Step::WriteIndex]));
    all.push(scenario("start again", usual(), vec![Step::Restart]));
    all
}

/// Each repair, of what a person did before.
fn mendings() -> Vec<Scenario> {
    let seal = |accepted: Option<&str>| Op::Seal {
        id: "p".into(),
        accepted: accepted.map(str::to_owned),
    };
    let mend = Op::MendManifest { id: "p".into() };
    let repairs = [
        (
            "seal two versions",
            vec![Deed::Wrote("1.0.5"), Deed::Wrote("1.0.7")],
            seal(None),
        ),
        ("accept an edit", vec![Deed::Edited("1.0.6")], seal(Some("1.0.6"))),
        ("mend a damaged manifest", vec![Deed::BrokeManifest], mend.clone()),
        (
            "mend a manifest that lags behind",
            vec![Deed::Wrote("1.0.9")],
            mend,
        ),
    ];
    let scenarios = repairs.into_iter().map(|(name, deeds, op)| {
        let mut before = usual();
        before.extend(deeds.into_iter().map(Step::ByHand).chain([Step::Restart]));
        scenario(name, before, vec![ask(op)])
    });
    scenarios.collect()
}

/// Two clients of one shard: whatever they ask for, the shard does one after the other.
pub(crate) fn pairs() -> Vec<Scenario> {
    let all = changes();
    let mut pairs = Vec::new();
    for (first, one) in &all {
        for (second, other) in all.iter().filter(|(second, _)| fit(first, second)) {
            let steps = vec![Step::Ask(one.clone()), Step::Ask(other.clone())];
            pairs.push(scenario(format!("{first}, then {second}"), usual(), steps));
        }
    }
    pairs
}

/// What needs a history or an accident.
pub(crate) fn histories() -> Vec<Scenario> {
    let forget = |version: &str| {
        ask(Op::Forget {
            id: "p".into(),
            version: version.into(),
        })
    };
    let restore = |version: &str| {
        ask(Op::Restore {
            id: "p".into(),
            version: version.into(),
        })
    };
    let (new, gone) = (|| ask(put("p", "new")), || ask(delete("p", &["1.0.5"])));
    let plant = Step::AskAndPlant {
        op: put("p", "new"),
        version: "1.0.5".into(),
        text: "foreign".into(),
    };
    vec![
        scenario(
            "put, delete, forget",
            usual(),
            vec![new(), gone(), forget("1.0.5")],
        ),
        scenario(
            "put, delete, restore, put",
            usual(),
            vec![new(), gone(), restore("1.0.5"), new()],
        ),
        scenario(
            "measure, delete, forget",
            usual(),
            vec![
                ask(measure("1.0.3", &["a"])),
                ask(measure("1.0.3", &["a", "b"])),
                ask(delete("p", &["1.0.3"])),
                forget("1.0.3"),
            ],
        ),
        scenario(
            "a sync that fails while results are added, then others",
            usual(),
            vec![
                Step::FailSync,
                ask(measure("1.0.0", &["b"])),
                ask(measure("1.0.0", &["c"])),
            ],
        ),
        scenario(
            "put, purge, put",
            usual(),
            vec![new(), ask(Op::Purge { id: "p".into() }), new()],
        ),
        scenario(
            "a foreign file where a version is about to be stored",
            usual(),
            vec![plant],
        ),
        scenario(
            "a sync that fails, then other puts",
            usual(),
            vec![
                Step::FailSync,
                ask(put(&neighbour(1), "unlucky")),
                ask(put(&neighbour(2), "lucky")),
                new(),
            ],
        ),
        scenario(
            "a put without room for its name, then another",
            usual(),
            vec![Step::FailRename, ask(put("p", "refused")), new()],
        ),
        scenario(
            "put, write the index, start again, put",
            usual(),
            vec![new(), Step::WriteIndex, Step::Restart, new()],
        ),
        scenario(
            "restore from a backup, delete, forget, restore again",
            usual(),
            vec![
                ask(take_in("p")),
                ask(delete("p", &["1.5.0"])),
                forget("1.5.0"),
                ask(take_in("p")),
            ],
        ),
        scenario(
            "the first deletions of two shards",
            vec![ask(put("p", "zero")), ask(put(STRANGER, "zero"))],
            vec![ask(delete("p", &["1.0.0"])), ask(delete(STRANGER, &["1.0.0"]))],
        ),
    ]
}
