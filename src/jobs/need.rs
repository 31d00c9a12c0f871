//! What the author of a job must be allowed to do. Pure.
//!
//! It is asked when the job is submitted, of every prompt that the job will write: the job then runs to its end, whatever
//! becomes of the rules meanwhile.

use crate::access::{Missing, Rights, Role};
use crate::admission::Claimant;
use crate::model::{Author, PromptId};

/// Who submits a job, and what they may do.
#[derive(Debug, Clone)]
pub struct Submitter {
    /// Who.
    pub author: Author,
    /// What they may do at this time.
    pub rights: Rights,
    /// By which process, where one is known.
    pub process: Option<i32>,
}

/// What a job needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobNeed {
    /// The role on all prompts.
    Everywhere(Role),
    /// The role on each of these prompts.
    On(Role, Vec<PromptId>),
}

impl JobNeed {
    /// Checks it.
    ///
    /// # Errors
    /// [`Missing`]: the first right that is not had.
    pub fn check(&self, rights: &Rights) -> Result<(), Missing> {
        match self {
            Self::Everywhere(role) => rights.need_everywhere(*role),
            Self::On(role, ids) => ids.iter().try_for_each(|id| rights.need_on(*role, id.as_str())),
        }
    }
}

impl Submitter {
    /// Somebody who may do everything.
    #[must_use]
    pub fn unrestricted(author: Author) -> Self {
        Self {
            author,
            rights: Rights::all(),
            process: None,
        }
    }

    /// Returns who takes a place in the queue.
    pub(super) const fn claimant(&self) -> Claimant {
        Claimant {
            peer: self.author.uid,
            process: self.process,
        }
    }
}
