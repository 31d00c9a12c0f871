//! The rules, and what they give to whom.
//!
//! | who | has on a prompt |
//! |---|---|
//! | root, and the user that the daemon runs as | `admin` |
//! | everybody else | the highest of `default_role` and of the roles of all rules that name them and cover the prompt |
//!
//! A rule without `prompts` covers every prompt, one with `prompts` those whose ids begin with one of these. A rule with
//! `labels` gives the right to move these labels on the prompts that it covers, and to read those prompts; nothing else.
//! By it these labels are guarded there: besides those whom such a rule names, only an `admin` of the prompt moves them.
//! A label that no rule names is moved by whoever may write. The order of the rules means nothing.

use std::sync::Arc;

use crate::model::Label;

use super::{Principal, Rights, Role};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The users that it names.
    pub uids: Vec<u32>,
    /// The groups whose members it names.
    pub gids: Vec<u32>,
    /// What it gives.
    pub role: Role,
    /// What the ids of the prompts that it covers begin with; `None` covers all.
    pub prompts: Option<Vec<String>>,
    /// The labels that it is about; `None` for a rule that is not about labels.
    pub labels: Option<Vec<Label>>,
}

/// All rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    default_role: Role,
    daemon_uid: u32,
    rules: Vec<Rule>,
    guards: Arc<[Guard]>,
}

/// Labels that are guarded on some prompts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guard {
    pub(super) prompts: Option<Vec<String>>,
    pub(super) labels: Vec<Label>,
}

/// Why a rule means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRule {
    /// It is for nobody.
    #[error("it names neither users nor groups")]
    Nobody,
    /// It covers nothing.
    #[error("its list of prompts or labels is empty: leave the key away to cover all")]
    Nothing,
    /// It gives nothing.
    #[error("its role is none: who is named by no rule has daemon.access.default_role")]
    NoRole,
    /// It is about labels and has another role than `write`.
    #[error("a rule with labels lets them be moved and nothing else: its role must be write")]
    LabelRole,
}

impl Guard {
    pub(super) fn is_about(&self, id: &str, label: &Label) -> bool {
        covers(self.prompts.as_deref(), id) && self.labels.contains(label)
    }
}

impl Policy {
    /// Makes a policy. `daemon_uid` is the user that the daemon runs as.
    #[must_use]
    pub fn new(default_role: Role, rules: Vec<Rule>, daemon_uid: u32) -> Self {
        let guards = rules.iter().filter_map(Rule::guard).collect();
        Self {
            default_role,
            daemon_uid,
            rules,
            guards,
        }
    }

    /// Makes the policy by which everybody who may open the socket may do everything.
    #[must_use]
    pub fn open() -> Self {
        Self::new(Role::Admin, Vec::new(), 0)
    }

    /// Returns what somebody may do.
    #[must_use]
    pub fn rights_of(&self, who: &Principal) -> Rights {
        if who.uid == 0 || who.uid == self.daemon_uid {
            return Rights::all();
        }
        let mut rights = Rights::of_role(self.default_role, Arc::clone(&self.guards));
        for rule in self.rules.iter().filter(|rule| rule.names(who)) {
            rights.add(rule);
        }
        rights
    }
}

impl Rule {
    /// Checks that the rule means something.
    ///
    /// # Errors
    /// [`InvalidRule`].
    pub fn check(&self) -> Result<(), InvalidRule> {
        let is_empty = |list: Option<usize>| list == Some(0);
        if is_empty(self.prompts.as_ref().map(Vec::len)) || is_empty(self.labels.as_ref().map(Vec::len)) {
            return Err(InvalidRule::Nothing);
        }
        match self.role {
            Role::None => Err(InvalidRule::NoRole),
            Role::Read | Role::Admin if self.labels.is_some() => Err(InvalidRule::LabelRole),
            _ => Ok(()),
        }
    }

    fn names(&self, who: &Principal) -> bool {
        self.uids.contains(&who.uid) || self.gids.iter().any(|gid| who.gids.contains(gid))
    }

    pub(super) fn guard(&self) -> Option<Guard> {
        Some(Guard {
            prompts: self.prompts.clone(),
            labels: self.labels.clone()?,
        })
    }
}

/// Tells whether a list of prefixes covers an id; no list covers every one.
pub(super) fn covers(prefixes: Option<&[String]>, id: &str) -> bool {
    prefixes.is_none_or(|prefixes| prefixes.iter().any(|prefix| id.starts_with(prefix)))
}
