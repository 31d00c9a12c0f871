//! What was promised: the state that every answer so far adds up to, and what is asked and not answered yet.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::versions::numbering::next_version_after;

/// Something that a client asks of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Op {
    /// A new version under the next number.
    Put {
        id: String,
        text: String,
    },
    /// A new version under a number of the client's choice.
    Save {
        id: String,
        version: String,
        text: String,
    },
    /// Versions go to the trash, whatever labels point at them.
    Delete {
        id: String,
        versions: Vec<String>,
    },
    Restore {
        id: String,
        version: String,
    },
    /// A version in the trash is forgotten.
    Forget {
        id: String,
        version: String,
    },
    Purge {
        id: String,
    },
    SetLabel {
        id: String,
        label: String,
        version: String,
    },
    RemoveLabel {
        id: String,
        label: String,
    },
    /// Test results of some executions are added to a version.
    AddEvidence {
        id: String,
        version: String,
        executions: Vec<String>,
    },
    /// The files of a backup are taken in.
    TakeIn {
        id: String,
    },
    /// Versions without a checksum get one, or one that was edited.
    Seal {
        id: String,
        accepted: Option<String>,
    },
    /// The manifest is written anew.
    MendManifest {
        id: String,
    },
}

/// What a prompt is: the texts of its versions, those in the trash, its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Picture {
    pub(crate) versions: BTreeMap<Version, String>,
    pub(crate) trash: BTreeMap<Version, String>,
    pub(crate) labels: BTreeMap<String, Version>,
    /// The executions of which a version has results, wherever it is.
    pub(crate) evidence: BTreeMap<Version, Vec<String>>,
}

/// A prompt as it was promised.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Promised {
    pub(crate) picture: Picture,
    /// Numbers that were given out.
    pub(crate) used: BTreeSet<Version>,
    /// Labels in a damaged manifest, which come back when it is mended.
    pub(crate) hidden_labels: BTreeMap<String, Version>,
}

/// Everything that was promised, and everything that is on its way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Oracle {
    pub(crate) prompts: BTreeMap<String, Promised>,
    pub(crate) open: Vec<Op>,
    /// Kinds of problems that may be there: where somebody else takes numbers, a version that was on its way to one may be
    /// set aside.
    pub(crate) may_be_reported: BTreeSet<&'static str>,
    /// The bytes of a damaged manifest of `p`, which are never thrown away.
    pub(crate) kept: Option<Vec<u8>>,
}

impl Op {
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Put { id, .. }
            | Self::Save { id, .. }
            | Self::Delete { id, .. }
            | Self::Restore { id, .. }
            | Self::Forget { id, .. }
            | Self::Purge { id }
            | Self::SetLabel { id, .. }
            | Self::RemoveLabel { id, .. }
            | Self::AddEvidence { id, .. }
            | Self::TakeIn { id }
            | Self::Seal { id, .. }
            | Self::MendManifest { id } => id,
        }
    }
}

impl Promised {
    /// The prompt after an operation was done.
    pub(crate) fn after(&self, op: &Op) -> Self {
        let mut after = self.clone();
        let Picture {
            versions,
            trash,
            labels,
            evidence,
        } = &mut after.picture;
        match op {
            Op::Put { text, .. } => {
                let number = next_version_after(&self.used, Bump::Patch).unwrap();
                after.used.insert(number.clone());
                versions.insert(number, text.clone());
            }
            Op::Save {
                version: number,
                text,
                ..
            } => {
                after.used.insert(version(number));
                versions.insert(version(number), text.clone());
            }
            Op::Delete { versions: doomed, .. } => {
                for number in doomed {
                    let (number, text) = versions.remove_entry(&version(number)).unwrap();
                    trash.insert(number, text);
                }
                labels.retain(|_, target| versions.contains_key(target));
            }
            Op::Restore { version: number, .. } => {
                let (number, text) = trash.remove_entry(&version(number)).unwrap();
                versions.insert(number, text);
            }
            Op::Forget { version: number, .. } => {
                trash.remove(&version(number));
                evidence.remove(&version(number));
            }
            Op::Purge { .. } => after = Self::default(),
            Op::SetLabel {
                label,
                version: number,
                ..
            } => drop(labels.insert(label.clone(), version(number))),
            Op::RemoveLabel { label, .. } => drop(labels.remove(label)),
            Op::AddEvidence {
                version: number,
                executions,
                ..
            } => {
                let there = evidence.entry(version(number)).or_default();
                for execution in executions {
                    if !there.contains(execution) {
                        there.push(execution.clone());
                    }
                }
            }
            Op::TakeIn { .. } => restoring::take_in(&mut after),
            Op::Seal { accepted, .. } => {
                let chosen = unsealed(versions, accepted.as_deref());
                after.picture = self.with_sealed(&chosen.iter().collect::<Vec<_>>());
            }
            Op::MendManifest { .. } => labels.extend(std::mem::take(&mut after.hidden_labels)),
        }
        after
    }

    /// What an operation that is cut off may leave beside the state before and after.
    fn between(&self, op: &Op) -> Vec<Picture> {
        match op {
            // First the labels go, then the versions, each by itself.
            Op::Delete { versions: doomed, .. } => {
                let without_labels = self.after(op).picture.labels;
                subsets(doomed)
                    .map(|gone| {
                        let mut picture = self.picture.clone();
                        for number in gone {
                            let (number, text) = picture.versions.remove_entry(&version(number)).unwrap();
                            picture.trash.insert(number, text);
                        }
                        picture.labels.clone_from(&without_labels);
                        picture
                    })
                    .collect()
            }
            // First the test results of what lies in the trash go, then the trash is emptied, then the prompt goes.
            Op::Purge { .. } => {
                let Picture { trash, evidence, .. } = &self.picture;
                let trashed: Vec<Version> = trash.keys().cloned().collect();
                let measured: Vec<Version> = evidence
                    .keys()
                    .filter(|number| trash.contains_key(number))
                    .cloned()
                    .collect();
                let mut pictures: Vec<Picture> = subsets(&measured)
                    .map(|gone| {
                        let mut picture = self.picture.clone();
                        picture.evidence.retain(|number, _| !gone.contains(&number));
                        picture
                    })
                    .collect();
                pictures.extend(subsets(&trashed).map(|gone| {
                    let mut picture = self.picture.clone();
                    picture.trash.retain(|number, _| !gone.contains(&number));
                    picture.evidence.retain(|number, _| !measured.contains(number));
                    picture
                }));
                pictures
            }
            // First its test results go, then the version.
            Op::Forget { version: number, .. } => {
                let mut picture = self.picture.clone();
                picture.evidence.remove(&version(number));
                vec![picture]
            }
            Op::TakeIn { .. } => restoring::cut_off(&self.picture),
            // One after the other.
            Op::Seal { accepted, .. } => {
                let chosen = unsealed(&self.picture.versions, accepted.as_deref());
                subsets(&chosen).map(|some| self.with_sealed(&some)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The prompt with some of its versions sealed.
    fn with_sealed(&self, some: &[&Version]) -> Picture {
        let mut picture = self.picture.clone();
        for number in some {
            let text = picture.versions.get_mut(number).unwrap();
            *text = by_hand::sealed(text).unwrap();
        }
        picture
    }

    /// Every state that a crash may leave while some operations are on their way: none done, each cut off, each done and
    /// the others after it.
    fn allowed(&self, open: &[&Op]) -> BTreeSet<Picture> {
        let mut allowed = BTreeSet::from([self.picture.clone()]);
        for (place, op) in open.iter().enumerate() {
            allowed.extend(self.between(op));
            let rest: Vec<&Op> = [&open[..place], &open[place + 1..]].concat();
            allowed.extend(self.after(op).allowed(&rest));
        }
        allowed
    }
}

/// The versions that sealing is about.
fn unsealed(versions: &BTreeMap<Version, String>, accepted: Option<&str>) -> Vec<Version> {
    let is_meant = |number: &Version, text: &str| match accepted {
        Some(accepted) => *number == version(accepted),
        None => text.ends_with("(Unsealed)"),
    };
    let meant = versions.iter().filter(|(number, text)| is_meant(number, text));
    meant.map(|(number, _)| number.clone()).collect()
}

pub(super) fn subsets<T>(all: &[T]) -> impl Iterator<Item = Vec<&T>> {
    (0..1_usize << all.len()).map(|members| {
        let is_in = |place: &usize| members & (1 << place) != 0;
        (0..all.len()).filter(is_in).map(|place| &all[place]).collect()
    })
}

impl Oracle {
    pub(crate) fn begin(&mut self, op: &Op) {
        self.open.push(op.clone());
    }

    pub(crate) fn acknowledge(&mut self, op: &Op) {
        let place = self.open.iter().position(|other| other == op).unwrap();
        self.open.remove(place);
        let promised = self.prompts.entry(op.id().to_owned()).or_default();
        *promised = promised.after(op);
    }

    /// Somebody else put a version into the store.
    pub(crate) fn add_foreign(&mut self, id: &str, number: &str, text: &str) {
        let promised = self.prompts.entry(id.to_owned()).or_default();
        promised.used.insert(version(number));
        promised.picture.versions.insert(version(number), text.to_owned());
    }

    pub(crate) fn ids(&self) -> BTreeSet<&str> {
        let open = self.open.iter().map(Op::id);
        self.prompts.keys().map(String::as_str).chain(open).collect()
    }

    pub(crate) fn promised(&self, id: &str) -> Promised {
        self.prompts.get(id).cloned().unwrap_or_default()
    }

    pub(crate) fn allowed(&self, id: &str) -> BTreeSet<Picture> {
        let open: Vec<&Op> = self.open.iter().filter(|op| op.id() == id).collect();
        self.promised(id).allowed(&open)
    }

    /// Tells whether a prompt may be forgotten by now, and with it its numbers.
    pub(crate) fn may_be_purged(&self, id: &str) -> bool {
        self.open
            .iter()
            .any(|op| matches!(op, Op::Purge { id: purged } if purged == id))
    }
}
