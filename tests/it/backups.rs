//! Backups of a daemon that serves, restored into another one.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use promptd::client::{Client, LabelGuard};
use promptd::http::wire::JobState;
use promptd::model::{Integrity, Label, Version, VersionSelector};
use promptd::versions::NewVersion;
use serde_json::{Map, Value, json};

use crate::harness::{Host, eventually, id, version};

/// Clients that write while a backup is made.
const CLIENTS: usize = 8;
/// Prompts that they write to.
const PROMPTS: usize = 12;
/// Versions in a store whose backup takes long enough to be killed.
const MANY: usize = 300;

/// What a client was told: versions that are there, and versions that it deleted or may have deleted.
#[derive(Debug, Default, Clone)]
struct Told {
    stored: BTreeMap<(String, Version), String>,
    deleted: BTreeSet<(String, Version)>,
}

/// Puts, labels and deletes until told to stop; counts what was acknowledged.
async fn work(client: Client, number: usize, stop: Arc<AtomicBool>, told: Arc<std::sync::Mutex<Told>>) {
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let prompt = format!("b_{}", (number + n) % PROMPTS);
        let text = format!("Client {number} writes text {n}.");
        let stored = client
            .create_version(&id(&prompt), &NewVersion::of_text(text.clone()))
            .await
            .unwrap();
        let made = stored.document.parse().unwrap().version;
        told.lock()
            .unwrap()
            .stored
            .insert((prompt.clone(), made.clone()), text);
        if n % 3 == 0 {
            let label = Label::new(&format!("l{number}")).unwrap();
            let to = VersionSelector::Exact(made.clone());
            // Another client may have deleted it meanwhile.
            let _deleted = client
                .set_label(&id(&prompt), &label, &to, &LabelGuard::default())
                .await;
        }
        if n % 5 == 4 {
            told.lock()
                .unwrap()
                .deleted
                .insert((prompt.clone(), made.clone()));
            // Another client's label may hold it: then it stays.
            let _held = client.delete_version(&id(&prompt), &made, false).await;
        }
    }
}

/// Every file of a store that is in a backup.
fn files(store: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if [
                ".tmp",
                ".audit",
                ".lock",
                ".index.json",
                ".jobs",
                ".backup.json",
                ".metadata.json",
            ]
            .contains(&name.as_str())
            {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(
                    path.strip_prefix(root).unwrap().to_owned(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(store, store, &mut found);
    found
}

/// A second host whose daemon restores from the backups of the first.
fn other_of(host: &Host) -> Host {
    let mut other = Host::new();
    other.environment.push((
        "PROMPTD__OPTIMIZER__STORAGE__CONFIG__BACKUP_DIR".into(),
        host.path().join("backups").display().to_string(),
    ));
    other
}

/// Whether something of a backup or restoring is left unfinished.
fn unfinished(host: &Host) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in ["backups", "backups/many", "backups/default"] {
        for entry in std::fs::read_dir(host.path().join(dir))
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with('.'))
            {
                found.push(entry.path());
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_made_while_clients_write_holds_all_that_was_acknowledged_and_is_consistent() {
    let host = Host::new();
    let daemon = host.start().await;
    let (stop, told) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(work(daemon.client(), n, Arc::clone(&stop), Arc::clone(&told))))
        .collect();
    for (round, target) in ["default", "x.tar.zst"].into_iter().enumerate() {
        let enough = 60 * (round + 1);
        eventually("enough versions", async || {
            told.lock().unwrap().stored.len() > enough
        })
        .await;
        let before: Told = told.lock().unwrap().clone();
        let report: Value = serde_json::from_str(&host.ctl(&["backup", target, "--json"]).success()).unwrap();
        assert_eq!(report["problems"], json!([]));
        let deleted = told.lock().unwrap().deleted.clone();
        let other = other_of(&host);
        let restored = other.start().await;
        let path = report["path"].as_str().unwrap();
        assert!(host.ctl(&["backup", "verify", path]).success().is_empty());
        let report: Value = serde_json::from_str(&other.ctl(&["restore", path, "--json"]).success()).unwrap();
        assert_eq!(report["conflicts"], json!([]));
        let client = restored.client();
        for ((prompt, number), text) in &before.stored {
            let exact = VersionSelector::Exact(number.clone());
            match client.version(&id(prompt), &exact).await {
                Ok(found) => {
                    assert_eq!(&found.parse().unwrap().prompt.text, text);
                    assert_eq!(found.integrity, Some(Integrity::Sealed));
                }
                Err(e) => assert!(
                    deleted.contains(&(prompt.clone(), number.clone())),
                    "{prompt}@{number} was acknowledged before the backup and is not in it: {e}"
                ),
            }
        }
        // No label ahead of its version, no version both live and deleted, nothing torn.
        let verified: Value = serde_json::from_str(&other.ctl(&["verify", "--json"]).success()).unwrap();
        assert_eq!(verified["problems"], json!([]), "{target}");
        assert_eq!(unfinished(&host), [""; 0].map(PathBuf::from));
        assert!(restored.stop().success());
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let listed = host.ctl(&["backup", "list"]).success();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(daemon.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_and_a_restoring_that_are_killed_are_done_again_and_leave_nothing_unfinished() {
    let host = Host::new();
    let mut daemon = host.start().await;
    let client = daemon.client();
    for n in 0..MANY {
        let text = format!("Text number {n}.");
        let prompt = format!("many_{}", n % 100);
        client
            .create_version(&id(&prompt), &NewVersion::of_text(text))
            .await
            .unwrap();
    }
    let mut kills = 0;
    for _ in 0..3 {
        let params = Map::from_iter([("target".to_owned(), json!("many"))]);
        let job = daemon.client().submit_job("backup", params).await.unwrap().job_id;
        let begun = std::time::Instant::now();
        while unfinished(&host).is_empty() && begun.elapsed().as_secs() < 10 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        kills += usize::from(!unfinished(&host).is_empty());
        daemon.kill();
        daemon = host.start().await;
        let ended = daemon.client().wait_for_job(&job, |_| ()).await.unwrap();
        assert_eq!(ended.error, None);
        assert_eq!(unfinished(&host), Vec::<PathBuf>::new());
        assert!(host.ctl(&["backup", "verify", "many"]).code == 0);
    }
    assert!(kills > 0, "no backup was killed in the middle");
    let other = other_of(&host);
    let mut restoring = other.start().await;
    let params = Map::from_iter([("source".to_owned(), json!("many"))]);
    let job = restoring
        .client()
        .submit_job("restore", params)
        .await
        .unwrap()
        .job_id;
    eventually("a part is restored", async || files(&other.store()).len() > 20).await;
    let there = files(&other.store()).len();
    restoring.kill();
    restoring = other.start().await;
    let ended = restoring.client().wait_for_job(&job, |_| ()).await.unwrap();
    assert_eq!(ended.error, None);
    assert_eq!(ended.result.unwrap()["conflicts"], json!([]));
    assert_eq!(files(&other.store()), files(&host.store()));
    eprintln!("covered: backup: {kills} killed in the middle; restore: killed after {there} of {MANY} files");
    assert!(restoring.stop().success());
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn the_verbs_refuse_what_is_not_beneath_the_backup_directory_and_never_overwrite() {
    let host = Host::new();
    let daemon = host.start().await;
    host.ctl_with(&["put", "greet", "-"], "Greet the guest.", &[])
        .success();
    for place in ["/etc", "../out", "/etc/x.tar.zst", ".hidden"] {
        let said = host.ctl(&["backup", place]).failure(1);
        assert!(said.contains("promptctl"), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
    assert_eq!(host.ctl(&["backup", "list"]).success(), "");
    let path = host.ctl(&["backup"]).success();
    assert!(path.starts_with("default/2"), "{path}");
    let said = host.ctl(&["restore", "default"]).failure(2);
    assert!(said.contains("--all"), "{said}");
    host.ctl(&["restore", "default", "--all"]).success();
    let file = host.version_file("greet", "1.0.0");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("guest", "ghost")).unwrap();
    let output = host.ctl(&["restore", "default", "--prompt", "greet", "--dry-run"]);
    assert_eq!(output.code, 4, "{output:?}");
    assert!(output.stdout.contains("different-content"), "{output:?}");
    host.ctl(&["restore", "default", "--prompt", "greet"]).failure(4);
    assert!(std::fs::read_to_string(&file).unwrap().contains("ghost"));
    host.ctl(&["restore", "default", "--prompt", "nobody"]).failure(1);
    // The trash is restored from as before.
    host.ctl(&["rm", "--yes", "greet@1.0.0"]).success();
    assert_eq!(host.ctl(&["restore", "greet@1.0.0"]).success(), "greet@1.0.0\n");
    assert_eq!(version("1.0.0"), Version::FIRST);
    assert!(daemon.stop().success());
}

#[tokio::test]
async fn a_second_backup_links_what_did_not_change() {
    let host = Host::new();
    let daemon = host.start().await;
    for n in 0..3 {
        let text = format!("Text {n}.");
        host.ctl_with(&["put", "greet", "-"], &text, &[]).success();
    }
    let back_up =
        || -> Value { serde_json::from_str(&host.ctl(&["backup", "daily", "--json"]).success()).unwrap() };
    let first = back_up();
    assert_eq!(first["linked"], 0, "{first}");
    host.ctl_with(&["put", "greet", "-"], "One more.", &[]).success();
    let second = back_up();
    assert_eq!(second["linked"], first["copied"], "{second}");
    assert_eq!(second["copied"], 1, "{second}");
    let place = host.version_file("greet", "1.0.0");
    let place = place.strip_prefix(host.store()).unwrap();
    let found = |report: &Value| {
        let root = Path::new(report["full_path"].as_str().unwrap());
        std::fs::metadata(root.join(place)).unwrap()
    };
    assert_eq!(
        (found(&first).nlink(), found(&first).ino()),
        (2, found(&second).ino())
    );
    assert_eq!(std::fs::metadata(host.store().join(place)).unwrap().nlink(), 1);
    assert_eq!(host.ctl(&["backup", "verify", "daily"]).code, 0);
    assert!(daemon.stop().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_cancelled_ends_as_cancelled_and_leaves_nothing() {
    let host = Host::new();
    let daemon = host.start().await;
    let client = daemon.client();
    for n in 0..MANY {
        let new = NewVersion::of_text(format!("Text number {n}."));
        client
            .create_version(&id(&format!("many_{}", n % 100)), &new)
            .await
            .unwrap();
    }
    let mut cancelled = 0;
    for _ in 0..20 {
        let params = Map::from_iter([("target".to_owned(), json!("many"))]);
        let job = client.submit_job("backup", params).await.unwrap().job_id;
        let is_over = async || {
            client
                .job(&job, std::time::Duration::ZERO)
                .await
                .unwrap()
                .state
                .is_final()
        };
        eventually("it is under way", async || {
            !unfinished(&host).is_empty() || is_over().await
        })
        .await;
        client.cancel_job(&job).await.unwrap();
        let ended = client.wait_for_job(&job, |_| ()).await.unwrap();
        assert_eq!(unfinished(&host), Vec::<PathBuf>::new());
        if ended.state == JobState::Cancelled {
            assert_eq!((ended.error, ended.result), (None, None));
            cancelled += 1;
            break;
        }
        assert_eq!(ended.state, JobState::Succeeded, "{:?}", ended.error);
    }
    assert_eq!(cancelled, 1, "no backup was cancelled in the middle");
    let listed = host.ctl(&["backup", "list"]).success();
    for path in listed.lines().filter_map(|line| line.split('\t').next()) {
        assert_eq!(host.ctl(&["backup", "verify", path]).code, 0, "{path}");
    }
    assert!(daemon.stop().success());
}
