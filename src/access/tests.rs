//! The rules as a truth table.

use super::*;
use crate::model::Label;

const DAEMON: u32 = 990;
const ANN: u32 = 1_001;
const BOB: u32 = 1_002;
const STAFF: u32 = 50;
const RELEASE: u32 = 60;

fn label(name: &str) -> Label {
    Label::new(name).unwrap()
}

fn rule(uids: &[u32], gids: &[u32], role: Role) -> Rule {
    Rule {
        uids: uids.to_vec(),
        gids: gids.to_vec(),
        role,
        prompts: None,
        labels: None,
    }
}

fn on(prefixes: &[&str], rule: Rule) -> Rule {
    let prompts = Some(prefixes.iter().map(ToString::to_string).collect());
    Rule { prompts, ..rule }
}

fn labels(names: &[&str], rule: Rule) -> Rule {
    let labels = Some(names.iter().map(|name| label(name)).collect());
    Rule { labels, ..rule }
}

fn who(uid: u32, gids: &[u32]) -> Principal {
    Principal {
        uid,
        gids: gids.to_vec(),
    }
}

fn check(policy: &Policy, who: &Principal, id: &str, role: Role) {
    assert_eq!(
        policy.rights_of(who).on(id),
        role,
        "{who:?} on {id} by {policy:?}"
    );
}

fn check_label(policy: &Policy, who: &Principal, id: &str, name: &str, may: bool) {
    let rights = policy.rights_of(who);
    assert_eq!(
        rights.may_move(id, &label(name)),
        may,
        "{who:?} moves {name} of {id}"
    );
    assert_eq!(rights.need_label(id, &label(name)).is_ok(), may);
}

#[test]
fn without_rules_everybody_has_the_default_role_and_root_and_the_daemon_are_admins() {
    for role in [Role::None, Role::Read, Role::Write, Role::Admin] {
        let policy = Policy::new(role, Vec::new(), DAEMON);
        check(&policy, &who(ANN, &[STAFF]), "p", role);
        check(&policy, &who(0, &[0]), "p", Role::Admin);
        check(&policy, &who(DAEMON, &[DAEMON]), "p", Role::Admin);
    }
    check(&Policy::open(), &who(ANN, &[]), "p", Role::Admin);
}

#[test]
fn the_highest_role_of_all_rules_that_name_somebody_counts_whatever_their_order() {
    let mut rules = vec![
        rule(&[ANN], &[], Role::Read),
        rule(&[], &[STAFF], Role::Write),
        rule(&[BOB], &[RELEASE], Role::Admin),
    ];
    for _ in 0..rules.len() {
        rules.rotate_left(1);
        let policy = Policy::new(Role::None, rules.clone(), DAEMON);
        check(&policy, &who(ANN, &[]), "p", Role::Read);
        check(&policy, &who(ANN, &[1, STAFF]), "p", Role::Write);
        check(&policy, &who(BOB, &[STAFF]), "p", Role::Admin);
        check(&policy, &who(77, &[RELEASE]), "p", Role::Admin);
        check(&policy, &who(77, &[78]), "p", Role::None);
    }
    // A rule never takes away what the default gives.
    let policy = Policy::new(Role::Write, vec![rule(&[ANN], &[], Role::Read)], DAEMON);
    check(&policy, &who(ANN, &[]), "p", Role::Write);
}

#[test]
fn a_rule_with_prompts_gives_its_role_on_those_prompts_alone() {
    let rules = vec![
        on(&["pay_", "tax_"], rule(&[ANN], &[], Role::Write)),
        on(&["pay_x"], rule(&[ANN], &[], Role::Admin)),
    ];
    let policy = Policy::new(Role::Read, rules, DAEMON);
    let ann = who(ANN, &[]);
    for (id, role) in [
        ("pay_1", Role::Write),
        ("tax_1", Role::Write),
        ("pay_x1", Role::Admin),
        ("pay", Role::Read),
        ("Pay_1", Role::Read),
        ("", Role::Read),
    ] {
        check(&policy, &ann, id, role);
    }
    let rights = policy.rights_of(&ann);
    assert_eq!(
        (rights.everywhere(), rights.anywhere()),
        (Role::Read, Role::Admin)
    );
    assert_eq!(
        rights.need_everywhere(Role::Write),
        Err(Missing::Everywhere(Role::Write))
    );
    assert_eq!(rights.need_anywhere(Role::Write), Ok(()));
}

#[test]
fn a_guarded_label_is_moved_by_those_whom_its_rule_names_and_by_admins_alone() {
    let rules = vec![
        rule(&[], &[STAFF], Role::Write),
        labels(&["production"], rule(&[], &[RELEASE], Role::Write)),
        on(&["pay_"], rule(&[BOB], &[], Role::Admin)),
    ];
    let policy = Policy::new(Role::None, rules, DAEMON);
    let (staff, release) = (who(ANN, &[STAFF]), who(ANN, &[RELEASE]));
    for (somebody, id, name, may) in [
        (&staff, "p", "production", false),
        (&staff, "p", "staging", true),
        (&release, "p", "production", true),
        (&release, "p", "staging", false),
        (&who(ANN, &[RELEASE, STAFF]), "p", "staging", true),
        (&who(BOB, &[]), "pay_1", "production", true),
        (&who(BOB, &[]), "p", "production", false),
        (&who(0, &[]), "p", "production", true),
        (&who(DAEMON, &[]), "p", "production", true),
        (&who(77, &[]), "p", "staging", false),
    ] {
        check_label(&policy, somebody, id, name, may);
    }
    // The label says nothing of writing, but what is moved must be seen.
    check(&policy, &release, "p", Role::Read);
    check(&policy, &staff, "p", Role::Write);
}

#[test]
fn a_label_is_guarded_only_on_the_prompts_that_its_rule_covers() {
    let guard = on(
        &["pay_"],
        labels(&["production"], rule(&[], &[RELEASE], Role::Write)),
    );
    let policy = Policy::new(Role::Write, vec![guard], DAEMON);
    check_label(&policy, &who(ANN, &[]), "pay_1", "production", false);
    check_label(&policy, &who(ANN, &[]), "other", "production", true);
    check_label(&policy, &who(ANN, &[RELEASE]), "pay_1", "production", true);
}

#[test]
fn rules_that_mean_nothing_are_refused() {
    let valid = rule(&[ANN], &[], Role::Write);
    assert_eq!(valid.check(), Ok(()));
    for (broken, why) in [
        (rule(&[ANN], &[], Role::None), InvalidRule::NoRole),
        (on(&[], valid.clone()), InvalidRule::Nothing),
        (labels(&[], valid), InvalidRule::Nothing),
        (
            labels(&["production"], rule(&[ANN], &[], Role::Read)),
            InvalidRule::LabelRole,
        ),
        (
            labels(&["production"], rule(&[ANN], &[], Role::Admin)),
            InvalidRule::LabelRole,
        ),
    ] {
        assert_eq!(broken.check(), Err(why), "{broken:?}");
    }
}
