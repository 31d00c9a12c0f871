//! What the storage found and nobody asked it for becomes an entry.

use crate::storage::filesystem::{Observation, StoreObserver};
use crate::storage::{Action, Actor};

use super::AuditLog;
use super::entry::{Draft, Outcome};

impl StoreObserver for AuditLog {
    fn observe(&self, observation: Observation) {
        let actor = observation.author.map_or_else(Actor::outside, Actor::of);
        let outcome = match observation.action {
            Action::OutsideAdded | Action::OutsideEdited | Action::OutsideRemoved | Action::OutsideLabel => {
                Outcome::Seen
            }
            _ => Outcome::Done,
        };
        let mut draft = Draft::new(&actor, observation.action, outcome).about(&observation.id);
        draft.version = observation.version;
        if let Some((label, from, to)) = observation.label {
            draft.label = Some(label);
            draft.from = from.map(|version| version.to_string());
            draft.to = to.map(|version| version.to_string());
        }
        self.note_blocking(draft);
    }
}
