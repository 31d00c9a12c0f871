//! A backup that was made while the daemon was killed, restored into another daemon.

use std::collections::BTreeSet;

use promptd::client::Client;
use promptd::http::wire::JobState;
use promptd::model::{Integrity, Version};
use serde_json::{Map, Value, json};

use super::check::{check_live, live_versions, unexplained_problems};
use crate::harness::{Host, id};

/// Verifies a backup, restores it into an empty store, and looks there for what must be in it: prompt, number, text.
pub async fn compare(host: &Host, backup: &str, kept: &[(String, Version, String)]) {
    let mut other = Host::new();
    other.environment.push((
        "PROMPTD__OPTIMIZER__STORAGE__CONFIG__BACKUP_DIR".into(),
        host.path().join("backups").display().to_string(),
    ));
    let daemon = other.start().await;
    let client = daemon.client();
    run(&client, "verify_backup", backup).await;
    let restored = run(&client, "restore", backup).await;
    assert_eq!(restored["conflicts"], json!([]), "{restored}");
    let prompts: BTreeSet<&String> = kept.iter().map(|(prompt, ..)| prompt).collect();
    for prompt in prompts {
        let live = live_versions(&client, prompt).await;
        let trash = client.trash(Some(&id(prompt))).all().await.unwrap();
        let trashed: BTreeSet<Version> = trash.into_iter().map(|found| found.version).collect();
        for (_, version, text) in kept.iter().filter(|(of, ..)| of == prompt) {
            if live.contains(version) {
                check_live(&client, prompt, version, text, Integrity::Sealed).await;
            } else {
                let is_there = trashed.contains(version);
                assert!(
                    is_there,
                    "{prompt}@{version} was acknowledged and is not in the backup"
                );
            }
        }
    }
    assert_eq!(
        unexplained_problems(&other, &BTreeSet::new()),
        Vec::<Value>::new()
    );
    assert!(daemon.stop().success());
}

async fn run(client: &Client, kind: &str, backup: &str) -> Value {
    let params = Map::from_iter([("source".to_owned(), json!(backup))]);
    let job = client.submit_job(kind, params).await.unwrap().job_id;
    let done = client.wait_for_job(&job, |_| {}).await.unwrap();
    assert_eq!(done.state, JobState::Succeeded, "{done:?}");
    done.result.unwrap()
}
