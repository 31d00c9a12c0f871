//! From the names in the configuration to the numbers that the kernel knows.

use crate::access::{Policy, Role, Rule};
use crate::config::{AccessConfig, AccessRule, Config};
use crate::http::AppState;
use crate::log_events::LogEvent;

/// Finds the numbers of all names and takes the rules over, from the next request on.
pub(super) async fn apply(state: &AppState, config: &Config) {
    let access = config.daemon.access.clone();
    let found = tokio::task::spawn_blocking(move || policy(&access)).await;
    let policy = found.unwrap_or_else(|error| {
        tracing::error!(%error, "the rules of access could not be read: nobody but root and the daemon's user may do anything");
        Policy::new(Role::None, Vec::new(), rustix::process::geteuid().as_raw())
    });
    state.set_policy(policy);
    state.set_audits_refusals(config.daemon.audit.log_refused);
}

/// Makes the policy. Names that the host does not know name nobody; that is said, since it may be a slip of the pen, and a name
/// service that is down must not keep the daemon down. Blocks.
fn policy(config: &AccessConfig) -> Policy {
    let rules: Vec<Rule> = config.rules.iter().map(resolve).collect();
    if !rules.is_empty() && config.default_role == Role::Admin {
        tracing::warn!(
            event = %LogEvent::ConfigDoubtful,
            "daemon.access.rules add nothing to daemon.access.default_role, which is admin: everybody may do everything"
        );
    }
    Policy::new(config.default_role, rules, rustix::process::geteuid().as_raw())
}

/// Finds the number of a group by its name or number. Blocks.
pub(super) fn group(name: &str) -> Option<u32> {
    number(name).or_else(|| uzers::get_group_by_name(name).map(|group| group.gid()))
}

fn resolve(rule: &AccessRule) -> Rule {
    let user = |name: &String| number(name).or_else(|| uzers::get_user_by_name(name).map(|user| user.uid()));
    let uids = rule
        .users
        .iter()
        .filter_map(|name| known("user", name, user(name)));
    let gids = rule
        .groups
        .iter()
        .filter_map(|name| known("group", name, group(name)));
    rule.resolve(uids.collect(), gids.collect())
}

fn number(name: &str) -> Option<u32> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
    name.parse().ok().filter(|_| is_number)
}

fn known(what: &str, name: &str, found: Option<u32>) -> Option<u32> {
    if found.is_none() {
        tracing::warn!(
            event = %LogEvent::ConfigDoubtful,
            what,
            name,
            "daemon.access.rules name somebody whom the host does not know: nobody gets rights by that"
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Principal;

    #[test]
    fn names_and_numbers_are_found_and_unknown_names_name_nobody() {
        assert_eq!(group("12345"), Some(12_345));
        assert_eq!(group("root"), Some(0));
        assert_eq!(group("no_such_group_here"), None);
        let rule = AccessRule {
            users: vec!["4000123456".into(), "no_such_user_here".into()],
            groups: Vec::new(),
            role: Role::Write,
            prompts: None,
            labels: None,
        };
        let config = AccessConfig {
            default_role: Role::None,
            rules: vec![rule],
            ..AccessConfig::default()
        };
        let role = |uid| {
            policy(&config)
                .rights_of(&Principal { uid, gids: vec![uid] })
                .on("p")
        };
        assert_eq!(role(4_000_123_456), Role::Write);
        assert_eq!(role(4_000_123_457), Role::None);
        assert_eq!(role(rustix::process::geteuid().as_raw()), Role::Admin);
    }
}
