//! What a client was told about one prompt, kept outside the daemon: the oracle.
//!
//! Every request is written down before it is sent, and its answer when it came. A request without an answer was done or
//! was not done: both are possible until somebody looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use promptd::client::ClientError;
use promptd::model::{Integrity, Version};

/// What clients were told, in the order of the answers: prompt, number, text.
pub type Told = Arc<Mutex<Vec<(String, Version, String)>>>;

/// Where a version may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Live,
    Trashed,
    Gone,
}

/// What is known of one number.
#[derive(Debug, Clone)]
pub struct Kept {
    pub text: String,
    pub integrity: Integrity,
    pub may_be: BTreeSet<Place>,
    /// The executions whose test results were acknowledged.
    pub executions: BTreeSet<String>,
    /// Those that were sent together without an answer.
    pub floating_executions: Vec<String>,
    /// Whether something happened to it since it was last compared with what the daemon serves.
    pub is_fresh: bool,
}

/// A put without an answer: the number if one was asked for, and the text.
#[derive(Debug, Clone)]
pub struct Floating {
    pub version: Option<Version>,
    pub text: String,
}

/// What is known of one prompt. One client alone changes it.
#[derive(Debug, Clone, Default)]
pub struct PromptLog {
    pub name: String,
    pub versions: BTreeMap<Version, Kept>,
    pub labels: BTreeMap<String, BTreeSet<Option<Version>>>,
    pub floating: Vec<Floating>,
    /// It was purged before, and is new.
    pub was_purged: bool,
    /// A purge was sent and not answered.
    pub may_be_purged: bool,
    /// Something was sent and not answered: nothing more is sent before it is known what became of it.
    pub is_open: bool,
}

/// What an answer says about what was asked for.
pub enum Outcome<T> {
    Done(T),
    Nothing,
    Unknown,
}

/// Sorts an answer. What refuses without having done anything is named by the caller, beyond `busy`.
pub fn outcome<T>(answer: Result<T, ClientError>, harmless: &[&str]) -> Outcome<T> {
    match answer {
        Ok(done) => Outcome::Done(done),
        Err(ClientError::Refused(problem)) => match problem.code.as_str() {
            "busy" => Outcome::Nothing,
            "interrupted" | "unavailable" => Outcome::Unknown,
            code if harmless.contains(&code) => Outcome::Nothing,
            _ => panic!("refused, and nothing was wrong with it: {problem:?}"),
        },
        Err(_) => Outcome::Unknown,
    }
}

impl PromptLog {
    pub fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Forgets everything but the name: the prompt was purged.
    pub fn forget(&mut self) {
        let name = std::mem::take(&mut self.name);
        *self = Self {
            name,
            was_purged: true,
            ..Self::default()
        };
    }

    /// Returns the versions that are surely at a place.
    pub fn surely(&self, place: Place) -> Vec<Version> {
        let sure = self
            .versions
            .iter()
            .filter(|(_, kept)| kept.may_be == BTreeSet::from([place]));
        sure.map(|(version, _)| version.clone()).collect()
    }

    /// Writes down that a version was stored.
    pub fn stored(&mut self, version: Version, text: String, integrity: Integrity) {
        let kept = Kept {
            text,
            integrity,
            may_be: BTreeSet::from([Place::Live]),
            executions: BTreeSet::new(),
            floating_executions: Vec::new(),
            is_fresh: true,
        };
        let (name, before) = (&self.name, self.versions.get(&version));
        assert!(
            before.is_none(),
            "{name}@{version} was given out twice: {before:?}"
        );
        self.versions.insert(version, kept);
    }

    /// Writes down that a version moved, or may have moved.
    pub fn moved(&mut self, version: &Version, to: Place, outcome: &Outcome<()>) {
        let kept = self.versions.get_mut(version).unwrap();
        match outcome {
            Outcome::Done(()) => kept.may_be = BTreeSet::from([to]),
            Outcome::Unknown => {
                kept.may_be.insert(to);
            }
            Outcome::Nothing => return,
        }
        kept.is_fresh = true;
    }

    /// Writes down that a label moved, or may have moved.
    pub fn labelled(&mut self, label: &str, to: Option<Version>, outcome: &Outcome<()>) {
        let may_be = self
            .labels
            .entry(label.to_owned())
            .or_insert_with(|| BTreeSet::from([None]));
        match outcome {
            Outcome::Done(()) => *may_be = BTreeSet::from([to]),
            Outcome::Unknown => {
                may_be.insert(to);
            }
            Outcome::Nothing => {}
        }
    }

    /// Writes down that labels leave a version that is deleted by force.
    pub fn unlabelled(&mut self, version: &Version, outcome: &Outcome<()>) {
        for may_be in self.labels.values_mut() {
            if may_be.contains(&Some(version.clone())) && !matches!(outcome, Outcome::Nothing) {
                may_be.insert(None);
                if matches!(outcome, Outcome::Done(())) {
                    may_be.remove(&Some(version.clone()));
                }
            }
        }
    }

    /// Writes down that the prompt was purged, or may have been.
    pub fn purged(&mut self, outcome: &Outcome<()>) {
        match outcome {
            Outcome::Done(()) => self.forget(),
            Outcome::Unknown => self.may_be_purged = true,
            Outcome::Nothing => {}
        }
    }
}
