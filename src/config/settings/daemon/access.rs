//! The sections `daemon.access` and `daemon.audit`.

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::access::{InvalidRule, Role, Rule};
use crate::config::ByteSize;
use crate::config::keys::is_account;
use crate::model::Label;

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AccessConfig {
    /// The group of the socket file by name or number; `None` leaves it as it is.
    pub socket_group: Option<String>,
    /// What everybody may do who may open the socket.
    pub default_role: Role,
    /// Who may do more.
    pub rules: Vec<AccessRule>,
}

/// One rule, with names in place of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRule {
    /// Users by name or number.
    #[serde(default, deserialize_with = "accounts")]
    pub users: Vec<String>,
    /// Groups by name or number.
    #[serde(default, deserialize_with = "accounts")]
    pub groups: Vec<String>,
    /// What they may do.
    pub role: Role,
    /// Only on prompts whose ids begin so.
    #[serde(default)]
    pub prompts: Option<Vec<String>>,
    /// Only moving these labels.
    #[serde(default)]
    pub labels: Option<Vec<Label>>,
}

/// The log of every change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// Whether changes are logged.
    pub enabled: bool,
    /// What becomes of a change when the log cannot be written.
    pub on_failure: AuditFailure,
    /// Whether refused requests are logged.
    pub log_refused: bool,
    /// How large one file of the log becomes.
    pub max_segment_bytes: ByteSize,
    /// How many files are kept; 0 keeps all.
    pub max_segments: usize,
}

/// What becomes of a change when the audit log cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuditFailure {
    /// It is refused before anything is done.
    #[default]
    Refuse,
    /// It is made, and the gap is logged when that is possible again.
    Serve,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            on_failure: AuditFailure::default(),
            log_refused: true,
            max_segment_bytes: ByteSize::mib(16),
            max_segments: 0,
        }
    }
}

impl AccessRule {
    /// Checks that the rule means something.
    pub(in crate::config) fn check(&self) -> Result<(), String> {
        if self.users.is_empty() && self.groups.is_empty() {
            return Err(InvalidRule::Nobody.to_string());
        }
        let is_prefix = |prefix: &String| {
            (1..=crate::model::MAX_PROMPT_ID_LEN).contains(&prefix.len())
                && prefix
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        if let Some(prefix) = self.prompts.iter().flatten().find(|prefix| !is_prefix(prefix)) {
            let shown: String = prefix.chars().take(80).collect();
            return Err(format!("{shown:?} cannot begin the id of a prompt"));
        }
        let resolved = self.resolve(Vec::new(), Vec::new());
        resolved.check().map_err(|reason| reason.to_string())
    }

    /// Returns the rule with the numbers of its users and groups.
    #[must_use]
    pub fn resolve(&self, uids: Vec<u32>, gids: Vec<u32>) -> Rule {
        Rule {
            uids,
            gids,
            role: self.role,
            prompts: self.prompts.clone(),
            labels: self.labels.clone(),
        }
    }
}

/// Names and numbers alike; a number is kept as its digits.
fn accounts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = Vec::<serde_json::Value>::deserialize(deserializer)?;
    let accounts = values.into_iter().map(|value| match value {
        serde_json::Value::Number(number) if number.as_u64().is_some_and(|n| n < u64::from(u32::MAX)) => {
            Ok(number.to_string())
        }
        serde_json::Value::String(name) if is_account(&name) => Ok(name),
        other => Err(de::Error::custom(format!(
            "{other} is no name or number of a user or group"
        ))),
    });
    accounts.collect()
}
