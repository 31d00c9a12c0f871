//! Rules of access.

use super::*;

fn check_rule(rule: &str, reason: &str) {
    let text =
        format!("daemon:\n  access:\n    rules:\n      - {{groups: [a], role: write}}\n      - {rule}\n");
    let expected = format!(
        "p.yaml:3: `daemon.access.rules` is wrong in rule 2 ({reason}), but must be a list of rules {{users, groups, \
         role, prompts, labels}}"
    );
    check_refused(&text, &expected);
}

#[test]
fn a_rule_of_access_that_means_nothing_is_refused_with_its_number_and_the_reason() {
    check_rule(
        "{groups: [a], rol: write}",
        "unknown field `rol`, expected one of `users`, `groups`, `role`, `prompts`, `labels`",
    );
    check_rule("{role: write}", "it names neither users nor groups");
    check_rule(
        "{users: [a], role: write, prompts: []}",
        "its list of prompts or labels is empty: leave the key away to cover all",
    );
    check_rule(
        "{users: [a], role: admin, labels: [production]}",
        "a rule with labels lets them be moved and nothing else: its role must be write",
    );
    check_rule(
        "{users: [a], role: read, prompts: [\"a b\"]}",
        "\"a b\" cannot begin the id of a prompt",
    );
}

#[test]
fn rules_of_access_come_from_the_file_and_from_the_environment() {
    let text =
        "daemon: {access: {default_role: none, socket_group: 50, rules: [{users: [ann, 7], role: admin}]}}";
    let from_file = assemble(Some((Path::new("p.yaml"), text)), &Sources::default()).unwrap();
    let sources = Sources {
        env: [
            ("PROMPTD__DAEMON__ACCESS__DEFAULT_ROLE", "none"),
            ("PROMPTD__DAEMON__ACCESS__SOCKET_GROUP", "50"),
            (
                "PROMPTD__DAEMON__ACCESS__RULES",
                r#"[{"users": ["ann", 7], "role": "admin"}]"#,
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        ..Sources::default()
    };
    let from_environment = assemble(None, &sources).unwrap();
    assert_eq!(from_file.daemon.access, from_environment.daemon.access);
    let access = from_file.daemon.access;
    assert_eq!(access.socket_group.as_deref(), Some("50"));
    assert_eq!(access.rules[0].users, ["ann", "7"]);
}
