//! Keeping a store in order through the real binaries: verify and repair, disk space, collecting what is old.

use std::path::Path;

use promptd::client::Client;
use promptd::versions::NewVersion;
use serde_json::Value;

use crate::harness::{Daemon, Host, SmallDisk, eventually, id};

async fn fill(daemon: &Daemon, prompt: &str, count: usize) {
    for n in 0..count {
        write(&daemon.client(), prompt, &format!("Say {n}."))
            .await
            .unwrap();
    }
}

async fn write(client: &Client, prompt: &str, text: &str) -> Result<(), promptd::client::ClientError> {
    client
        .create_version(&id(prompt), &NewVersion::of_text(text))
        .await
        .map(drop)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Replaces something in a version file, as an editor does.
fn edit(path: &Path, from: &str, to: &str) {
    let before = std::fs::read_to_string(path).unwrap();
    let after = before.replace(from, to);
    assert_ne!(before, after);
    std::fs::write(path, after).unwrap();
}

#[tokio::test]
async fn a_repair_says_what_it_would_do_does_it_and_leaves_edits_alone() {
    let mut host = Host::new();
    // Noticing an edit would write the index anew, and so mend it before it is looked at.
    let key = "PROMPTD__OPTIMIZER__STORAGE__CONFIG__WATCH__MODE";
    host.environment.push((key.into(), "off".into()));
    let daemon = host.start().await;
    fill(&daemon, "greet", 3).await;
    fill(&daemon, "other", 1).await;
    assert_eq!(host.ctl(&["verify"]).success(), "");
    let unsealed = host.version_file("greet", "1.0.0");
    let text = std::fs::read_to_string(&unsealed).unwrap();
    let line = text.lines().find(|line| line.contains("\"checksum\"")).unwrap();
    edit(&unsealed, &format!(",\n{line}"), "");
    edit(&host.version_file("greet", "1.0.1"), "Say 1.", "Say one.");
    std::fs::write(host.store().join(".index.json"), "{").unwrap();

    let found = host.ctl(&["verify"]);
    assert_eq!(found.code, 1, "{found:?}");
    for line in [
        "problem\tedited\t",
        "note\tunsealed\t",
        "problem\tcorrupt-index\t.index.json\t",
    ] {
        assert!(found.stdout.contains(line), "{line} {found:?}");
    }
    assert_eq!(
        host.ctl(&["verify", "other"]).code,
        0,
        "the other prompt is all right"
    );
    assert_eq!(host.ctl(&["verify", "nobody"]).code, 1);
    assert_eq!(host.ctl(&["verify", "--dry-run"]).code, 2);

    let planned = host.ctl(&["verify", "--repair", "--dry-run"]);
    assert!(planned.stdout.contains("repair\twould-seal\t"), "{planned:?}");
    assert!(
        planned.stdout.contains("repair\twould-rebuild-index\t"),
        "{planned:?}"
    );
    assert_eq!(
        std::fs::read_to_string(host.store().join(".index.json")).unwrap(),
        "{"
    );

    let repaired = host.ctl(&["verify", "--repair", "--json"]);
    assert_eq!(repaired.code, 1, "the edit is still there: {repaired:?}");
    let report = json(&repaired.stdout);
    let actions: Vec<&str> = report["repairs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["sealed", "index-rebuilt"]);
    assert_eq!(report["problems"][0]["kind"], "edited");
    assert_eq!(
        std::fs::read_to_string(&unsealed).unwrap(),
        text,
        "sealed as it was before"
    );

    let accepted = host.ctl(&["verify", "--accept-edit", "greet@1.0.1"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert!(
        accepted.stdout.contains("repair\tedit-accepted\t"),
        "{accepted:?}"
    );
    assert!(host.ctl(&["get", "greet@1.0.1"]).success().contains("Say one."));
    assert_eq!(host.ctl(&["verify"]).success(), "");
}

#[tokio::test]
async fn a_collection_is_planned_first_and_never_takes_what_is_in_use() {
    let host = Host::new();
    let daemon = host.start().await;
    fill(&daemon, "greet", 8).await;
    fill(&daemon, "other", 2).await;
    host.ctl(&["label", "greet@1.0.2", "production"]).success();
    assert_eq!(host.ctl(&["collect"]).code, 2, "a rule is needed");

    let planned = json(&host.ctl(&["collect", "--keep-last", "2", "--json"]).success());
    let numbers = |report: &Value| -> Vec<String> {
        let items = report["items"].as_array().unwrap().iter();
        items
            .map(|item| item["version"].as_str().unwrap().to_owned())
            .collect()
    };
    // 1.0.1 is the parent of the labelled version, 1.0.5 that of the older one of the last two.
    assert_eq!(numbers(&planned), ["1.0.0", "1.0.3", "1.0.4"]);
    assert_eq!(planned["applied"], false);
    assert!(planned["moved"]["bytes"].as_u64().unwrap() > 1_000);
    assert!(
        host.version_file("greet", "1.0.0").exists(),
        "nothing is done without --apply"
    );

    let done = json(
        &host
            .ctl(&["collect", "greet", "--keep-last", "2", "--apply", "--json"])
            .success(),
    );
    assert_eq!(numbers(&done), numbers(&planned));
    assert!(!host.version_file("greet", "1.0.0").exists());
    let again = json(
        &host
            .ctl(&["collect", "--keep-last", "2", "--apply", "--json"])
            .success(),
    );
    assert_eq!(again["moved"]["count"], 0, "run again it finds nothing more");
    host.ctl(&["restore", "greet@1.0.3"]).success();

    let old = host.ctl(&["collect", "--trash-older-than", "30d", "--apply", "--json"]);
    assert_eq!(json(&old.success())["purged"]["count"], 0);
    let purged = host.ctl(&["collect", "--prefix", "gr", "--trash-older-than", "0s", "--yes"]);
    assert!(purged.stderr.contains("forgot 2 versions"), "{purged:?}");
    assert_eq!(host.ctl(&["trash", "greet"]).success(), "");
    assert_eq!(
        host.ctl(&["verify"]).code,
        0,
        "gaps in the history are no problems"
    );
    write(&daemon.client(), "greet", "Say goodbye.").await.unwrap();
    let latest = host.ctl(&["latest", "greet"]).success();
    assert!(latest.contains("1.0.8"), "used numbers stay used: {latest}");
    assert!(host.version_file("greet", "1.0.2").exists() && host.version_file("greet", "1.0.1").exists());
}

#[tokio::test]
async fn a_full_disk_refuses_writes_serves_the_rest_and_takes_writes_again_by_itself() {
    let mut host = Host::new();
    let store = host.store();
    let Some(_disk) = SmallDisk::mount(&store, "16m") else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let key = "PROMPTD__OPTIMIZER__STORAGE__CONFIG__MIN_FREE_BYTES";
    host.environment.push((key.into(), (8 << 20).to_string()));
    let daemon = host.start().await;
    let client = daemon.client();
    fill(&daemon, "greet", 3).await;
    let ballast = store.join(".ballast");
    std::fs::write(&ballast, vec![0_u8; 9 << 20]).unwrap();
    let error = write(&client, "greet", "Too much.").await.unwrap_err();
    assert_eq!(error.code(), Some("storage-full"), "{error}");

    let status = json(&host.ctl(&["status", "--json"]).stdout);
    assert_eq!(status["status"], "degraded", "{status}");
    assert_eq!(status["storage"]["disk"]["full"]["cause"], "reserve");
    assert!(matches!(
        client.readiness().await,
        Ok(promptd::client::Readiness::Ready)
    ));
    host.ctl(&["get", "greet@1.0.0"]).success();
    host.ctl(&["label", "greet@1.0.1", "production"]).success();
    host.ctl(&["rm", "greet@1.0.0", "--yes"]).success();

    // Not one free block is left: what reads and what makes room works all the same.
    std::fs::write(store.join(".more"), vec![0_u8; 8 << 20]).unwrap_err();
    assert_eq!(host.ctl(&["verify"]).code, 0);
    let purged = host.ctl(&["collect", "--trash-older-than", "0s", "--apply"]);
    assert_eq!(purged.code, 0, "{purged:?}");

    std::fs::remove_file(store.join(".more")).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    eventually("room, without a write that fails first", async || {
        let status = client.status_json().await.unwrap();
        status["storage"]["disk"]["full"].is_null()
    })
    .await;
    write(&client, "greet", "Just right.").await.unwrap();
    let log = daemon.read_log();
    assert_eq!(log.matches("the disk is nearly full").count(), 1, "{log}");
    assert_eq!(log.matches("there is room on the disk again").count(), 1, "{log}");
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn a_collection_that_is_killed_is_done_again_and_loses_nothing() {
    const PROMPTS: usize = 60;
    let host = Host::new();
    let mut daemon = host.start().await;
    for n in 0..PROMPTS {
        fill(&daemon, &format!("c_{n}"), 4).await;
    }
    let gone = || {
        let first = |n: &usize| !host.version_file(&format!("c_{n}"), "1.0.0").exists();
        (0..PROMPTS).filter(first).count()
    };
    let params = serde_json::json!({"keep_last": 1, "apply": true});
    let Value::Object(params) = params else {
        unreachable!()
    };
    let job = daemon
        .client()
        .submit_job("collect", params)
        .await
        .unwrap()
        .job_id;
    eventually("a part is done", async || gone() > 3).await;
    daemon.kill();
    let done_before = gone();
    daemon = host.start().await;
    let ended = daemon.client().wait_for_job(&job, |_| ()).await.unwrap();
    assert_eq!(ended.error, None);
    assert_eq!(ended.result.unwrap()["skipped"], serde_json::json!([]));
    eprintln!("covered: collect: killed after {done_before} of {PROMPTS} prompts, done again");
    assert!(done_before < PROMPTS, "it was not killed in the middle");
    // The latest, and the version that it was made from; the others lie in the trash.
    for n in 0..PROMPTS {
        let there = ["1.0.0", "1.0.1", "1.0.2", "1.0.3"]
            .map(|number| host.version_file(&format!("c_{n}"), number).exists());
        assert_eq!(there, [false, false, true, true], "c_{n}");
    }
    let trash = host.ctl(&["trash"]).success();
    assert_eq!(trash.lines().count(), 2 * PROMPTS);
    assert_eq!(host.ctl(&["verify"]).success(), "");
    host.ctl(&["restore", "c_0@1.0.1"]).success();
    assert!(daemon.stop().success());
}
