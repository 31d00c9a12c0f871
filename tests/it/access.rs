//! Who may do what, with real users on a real socket.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use serde_json::json;

use crate::harness::{Host, User, eventually};

const ANN: User = User::new(61_001, 61_001);
const BOB: User = User::new(61_002, 61_002);
/// Ann with another primary group.
const ANN_IN_RELEASE: User = User::new(61_001, 61_100);

/// A file with a text that everybody may read.
fn text(host: &Host, name: &str, text: &str) -> String {
    let path = host.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_mode_of_the_socket_keeps_outsiders_out() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    host.set("SOCKET_MODE", "0660");
    let _daemon = host.start().await;
    host.ctl(&["list"]).success();
    let said = host.ctl_as(ANN, &["list"]).failure(69);
    assert!(
        said.contains("permission") || said.contains("Permission"),
        "{said}"
    );
}

#[tokio::test]
async fn the_group_of_the_socket_lets_its_members_in() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    host.set("SOCKET_MODE", "0660");
    host.set("ACCESS__SOCKET_GROUP", "61100");
    let _daemon = host.start().await;
    let socket = std::fs::metadata(host.socket()).unwrap();
    assert_eq!(
        (socket.gid(), socket.permissions().mode() & 0o777),
        (61_100, 0o660)
    );
    host.ctl_as(ANN_IN_RELEASE, &["list"]).success();
    host.ctl_as(ANN, &["list"]).failure(69);
}

#[tokio::test]
async fn a_group_of_the_socket_that_does_not_exist_stops_the_start_with_the_name() {
    let mut host = Host::new();
    host.set("ACCESS__SOCKET_GROUP", "no_such_group_here");
    let (status, said) = host.run_to_end();
    assert_eq!(status.code(), Some(78), "{said}");
    assert!(said.contains("no_such_group_here"), "{said}");
}

#[tokio::test]
async fn without_rules_whoever_may_open_the_socket_may_do_everything() {
    let Some(host) = Host::of_many_users() else { return };
    let _daemon = host.start().await;
    let file = text(&host, "a", "Say it.");
    host.ctl_as(ANN, &["put", "p", &file]).success();
    host.ctl_as(BOB, &["rm", "p", "--purge", "--yes"]).success();
}

#[tokio::test]
async fn a_reader_cannot_write_a_writer_cannot_purge_and_each_has_their_prompts() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    host.set("ACCESS__DEFAULT_ROLE", "none");
    let rules = json!([
        {"users": [61_001], "role": "read"},
        {"users": [61_002], "role": "write", "prompts": ["pay_"]},
    ]);
    host.set("ACCESS__RULES", &rules.to_string());
    let daemon = host.start().await;
    let file = text(&host, "a", "Say it.");
    for prompt in ["pay_1", "tax_1"] {
        host.ctl(&["put", prompt, &file]).success();
    }
    // Ann reads everything and writes nothing.
    assert_eq!(host.ctl_as(ANN, &["list"]).success().lines().count(), 2);
    let said = host.ctl_as(ANN, &["put", "pay_1", &file]).failure(77);
    assert!(said.contains("the role write on prompt pay_1"), "{said}");
    host.ctl_as(ANN, &["rm", "pay_1", "--yes"]).failure(77);
    host.ctl_as(ANN, &["backup"]).failure(77);
    host.ctl_as(ANN, &["audit"]).failure(77);
    // Bob writes his own and does not see the others.
    let more = text(&host, "b", "Say more.");
    host.ctl_as(BOB, &["put", "pay_1", &more]).success();
    host.ctl_as(BOB, &["put", "pay_new", &more]).success();
    host.ctl_as(BOB, &["put", "tax_1", &more]).failure(77);
    host.ctl_as(BOB, &["get", "tax_1"]).failure(77);
    host.ctl_as(BOB, &["get", "tax_never"]).failure(77);
    assert_eq!(host.ctl_as(BOB, &["list"]).success().lines().count(), 2);
    host.ctl_as(BOB, &["rm", "pay_new", "--purge", "--yes"])
        .failure(77);
    host.ctl_as(BOB, &["rm", "pay_new", "--yes"]).success();
    // Somebody whom no rule names.
    host.ctl_as(User::new(61_003, 61_003), &["list"]).failure(77);
    host.ctl_as(User::new(61_003, 61_003), &["status"]).failure(77);
    let log = daemon.read_log();
    assert!(
        log.contains("refused for want of rights") && log.contains("61003"),
        "{log}"
    );
    let refused = host
        .ctl(&["audit", "--action", "refuse", "--user", "61002"])
        .success();
    assert!(refused.contains("tax_1"), "{refused}");
}

#[tokio::test]
async fn refusals_of_one_user_fill_no_log() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    host.set("ACCESS__DEFAULT_ROLE", "none");
    let daemon = host.start().await;
    for _ in 0..15 {
        host.ctl_as(ANN, &["list"]).failure(77);
    }
    let refusals = daemon.read_log().matches("refused for want of rights").count();
    assert_eq!(refusals, 10);
    assert_eq!(
        host.ctl(&["audit", "--action", "refuse"])
            .success()
            .lines()
            .count(),
        10
    );
    assert!(daemon.stop().success());
    let log = std::fs::read_to_string(host.log()).unwrap();
    assert!(
        log.contains("event=lines-left-out left_out=5 kind=\"access-refused\""),
        "{log}"
    );
}

#[tokio::test]
async fn only_the_release_group_moves_production_although_others_may_write() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    host.set("ACCESS__DEFAULT_ROLE", "write");
    let rules = json!([{"groups": [61_100], "role": "write", "labels": ["production"]}]);
    host.set("ACCESS__RULES", &rules.to_string());
    let _daemon = host.start().await;
    let file = text(&host, "a", "Say it.");
    host.ctl_as(ANN, &["put", "p", &file]).success();
    host.ctl_as(ANN, &["label", "p@1.0.0", "staging"]).success();
    let said = host.ctl_as(ANN, &["label", "p@1.0.0", "production"]).failure(77);
    assert!(said.contains("move label production of prompt p"), "{said}");
    host.ctl_as(ANN_IN_RELEASE, &["label", "p@1.0.0", "production"])
        .success();
    host.ctl_as(ANN, &["rm", "p@1.0.0", "--force", "--yes"])
        .failure(77);
    host.ctl(&["get", "p@production"]).success();
    let moves = host.ctl(&["audit", "--action", "set-label", "--json"]).success();
    let newest: serde_json::Value = serde_json::from_str(moves.lines().next().unwrap()).unwrap();
    let who = (&newest["uid"], &newest["gid"], &newest["label"], &newest["to"]);
    assert_eq!(
        who,
        (
            &json!(61_001),
            &json!(61_100),
            &json!("production"),
            &json!("1.0.0")
        )
    );
}

#[tokio::test]
async fn a_supplementary_group_counts_as_the_user_database_says() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    // The daemon gets a user database of its own, in a mount namespace of its own.
    let database = [
        (
            "passwd",
            "root:x:0:0::/root:/bin/sh\nann:x:61001:61001::/:/bin/sh\n",
        ),
        ("group", "root:x:0:\nann:x:61001:\nrelease:x:61100:ann\n"),
    ];
    for (name, content) in database {
        text(&host, name, content);
    }
    let mounts = format!(
        "mount --bind {0}/passwd /etc/passwd && mount --bind {0}/group /etc/group",
        host.path().display()
    );
    let unshare = |script: &str| {
        ["unshare", "--mount", "sh", "-c", script, "sh"]
            .map(ToOwned::to_owned)
            .to_vec()
    };
    let probe = unshare(&mounts);
    let probed = std::process::Command::new(&probe[0]).args(&probe[1..]).output();
    if !probed.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: supplementary groups: no mount namespace can be made here");
        return;
    }
    host.wrapper = unshare(&format!("{mounts} && exec \"$@\""));
    host.set("ACCESS__DEFAULT_ROLE", "read");
    host.set("ACCESS__RULES", r#"[{"groups": ["release"], "role": "write"}]"#);
    let _daemon = host.start().await;
    let file = text(&host, "a", "Say it.");
    host.ctl_as(ANN, &["put", "p", &file]).success();
    host.ctl_as(BOB, &["put", "p", &file]).failure(77);
    let made = host.ctl(&["audit", "--user", "ann"]).success();
    assert!(made.contains("create"), "{made}");
}

#[tokio::test]
async fn rules_that_are_read_again_count_from_the_next_request_on() {
    let Some(mut host) = Host::of_many_users() else {
        return;
    };
    let config = host.path().join("promptd.yaml");
    let write = |role: &str| {
        let text = format!(
            "daemon:\n  access:\n    default_role: {role}\n    rules:\n      - {{users: [61002], role: admin}}\n"
        );
        std::fs::write(&config, text).unwrap();
    };
    write("none");
    host.arguments = vec!["--config".into(), config.to_str().unwrap().into()];
    let daemon = host.start().await;
    host.ctl_as(ANN, &["list"]).failure(77);
    write("read");
    daemon.signal("HUP");
    eventually("the new rules", async || host.ctl_as(ANN, &["list"]).code == 0).await;
    host.ctl_as(BOB, &["audit", "--action", "reload"]).success();
    assert_eq!(
        host.ctl(&["audit", "--action", "reload"])
            .success()
            .lines()
            .count(),
        1
    );
}
