//! What one principal may do.

use std::fmt;
use std::sync::Arc;

use crate::model::Label;

use super::Role;
use super::policy::{Guard, Rule, covers};

/// What one principal may do. Made by [`Policy::rights_of`](super::Policy::rights_of).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// On every prompt, and on what is no prompt.
    everywhere: Role,
    /// On the prompts whose ids begin with one of the prefixes.
    some: Vec<(Role, Vec<String>)>,
    /// Labels that may be moved although they are guarded.
    held: Vec<Guard>,
    guards: Arc<[Guard]>,
}

/// What somebody lacks, in words. It says nothing of what is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// A role on every prompt.
    Everywhere(Role),
    /// A role on any prompt at all.
    Anywhere(Role),
    /// A role on one prompt.
    On(Role, String),
    /// The right to move a label of a prompt.
    Label(Label, String),
}

impl Rights {
    /// The right to do everything.
    #[must_use]
    pub fn all() -> Self {
        Self::of_role(Role::Admin, Arc::from([]))
    }

    /// The right to read everything, and to do nothing else.
    #[must_use]
    pub fn to_read() -> Self {
        Self::of_role(Role::Read, Arc::from([]))
    }

    pub(super) fn of_role(role: Role, guards: Arc<[Guard]>) -> Self {
        Self {
            everywhere: role,
            some: Vec::new(),
            held: Vec::new(),
            guards,
        }
    }

    pub(super) fn add(&mut self, rule: &Rule) {
        let role = match rule.guard() {
            Some(guard) => {
                self.held.push(guard);
                Role::Read
            }
            None => rule.role,
        };
        match &rule.prompts {
            None => self.everywhere = self.everywhere.max(role),
            Some(prefixes) => self.some.push((role, prefixes.clone())),
        }
    }

    /// Returns the role on every prompt, which is also the one on what is no prompt: backups, the audit log, the daemon.
    #[must_use]
    pub const fn everywhere(&self) -> Role {
        self.everywhere
    }

    /// Returns the highest role on any prompt that there is or may be.
    #[must_use]
    pub fn anywhere(&self) -> Role {
        let some = self.some.iter().map(|(role, _)| *role);
        some.fold(self.everywhere, Role::max)
    }

    /// Returns the role on a prompt.
    #[must_use]
    pub fn on(&self, id: &str) -> Role {
        let covering = self
            .some
            .iter()
            .filter(|(_, prefixes)| covers(Some(prefixes), id));
        covering.fold(self.everywhere, |role, (other, _)| role.max(*other))
    }

    /// Tells whether a label of a prompt may be set, moved and removed.
    #[must_use]
    pub fn may_move(&self, id: &str, label: &Label) -> bool {
        let role = self.on(id);
        if role < Role::Admin && self.guards.iter().any(|guard| guard.is_about(id, label)) {
            return self.held.iter().any(|held| held.is_about(id, label));
        }
        role >= Role::Write
    }

    /// Tells whether there are labels of a prompt that may not be moved although others may be.
    #[must_use]
    pub fn has_guards_on(&self, id: &str) -> bool {
        let of_others = |guard: &Guard| !guard.labels.iter().all(|label| self.may_move(id, label));
        self.on(id) < Role::Admin
            && self
                .guards
                .iter()
                .any(|guard| covers(guard.prompts.as_deref(), id) && of_others(guard))
    }

    /// Checks the role on every prompt.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn need_everywhere(&self, role: Role) -> Result<(), Missing> {
        check(self.everywhere >= role, || Missing::Everywhere(role))
    }

    /// Checks that there may be a prompt on which this role is had.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn need_anywhere(&self, role: Role) -> Result<(), Missing> {
        check(self.anywhere() >= role, || Missing::Anywhere(role))
    }

    /// Checks the role on a prompt.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn need_on(&self, role: Role, id: &str) -> Result<(), Missing> {
        check(self.on(id) >= role, || Missing::On(role, shown(id)))
    }

    /// Checks the right to move a label of a prompt.
    ///
    /// # Errors
    /// [`Missing`].
    pub fn need_label(&self, id: &str, label: &Label) -> Result<(), Missing> {
        check(self.may_move(id, label), || {
            Missing::Label(label.clone(), shown(id))
        })
    }
}

fn check(holds: bool, missing: impl FnOnce() -> Missing) -> Result<(), Missing> {
    if holds { Ok(()) } else { Err(missing()) }
}

/// What a client sent need not be an id.
fn shown(id: &str) -> String {
    id.chars().take(crate::model::MAX_PROMPT_ID_LEN).collect()
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere(role) => write!(f, "the role {role} on all prompts"),
            Self::Anywhere(role) => write!(f, "the role {role} on some prompt"),
            Self::On(role, id) => write!(f, "the role {role} on prompt {id}"),
            Self::Label(label, id) => write!(f, "the right to move label {label} of prompt {id}"),
        }
    }
}
