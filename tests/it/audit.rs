//! The audit log of the real daemon: under kill -9, changed by hand, and read with and without a daemon.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use promptd::audit::{Entry, Outcome};
use promptd::client::AuditFilter;
use promptd::storage::Action;
use promptd::versions::NewVersion;

use crate::harness::{Daemon, Host, by_hand, eventually, id, version};

/// So many writers are at work when the daemon is killed.
const WRITERS: usize = 16;

fn segment(host: &Host) -> PathBuf {
    host.store().join(".audit/audit-000001.jsonl")
}

async fn entries(daemon: &Daemon) -> Vec<Entry> {
    let filter = AuditFilter {
        intended: true,
        ..AuditFilter::default()
    };
    let client = daemon.client();
    client.audit(&filter, None).all().await.unwrap()
}

fn of(entries: &[Entry], action: Action, outcome: Outcome) -> BTreeSet<String> {
    let fitting = entries
        .iter()
        .filter(|entry| entry.draft.action == action && entry.draft.outcome == outcome);
    let versions = fitting.filter_map(|entry| {
        Some(format!(
            "{}@{}",
            entry.draft.prompt_id.as_ref()?,
            entry.draft.version.as_ref()?
        ))
    });
    versions.collect()
}

/// Writes until the daemon is gone; notes what was acknowledged.
async fn write_on(
    daemon: promptd::client::Client,
    writer: usize,
    acknowledged: Arc<Mutex<BTreeSet<String>>>,
) {
    for number in 0.. {
        let prompt = id(&format!("w{writer}_{}", number % 3));
        let new = NewVersion::of_text(format!("Say {writer} and {number}."));
        match daemon.create_version(&prompt, &new).await {
            Ok(stored) => {
                let made = stored.document.parse().unwrap();
                let name = format!("{prompt}@{}", made.version);
                acknowledged.lock().unwrap().insert(name);
            }
            Err(_) => return,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_change_has_its_entry_after_kill_nine_and_so_has_every_version_in_the_store() {
    let host = Host::new();
    for round in 1..=3 {
        let daemon = host.start().await;
        let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| tokio::spawn(write_on(daemon.client(), writer, Arc::clone(&acknowledged))))
            .collect();
        eventually("some writes", async || {
            acknowledged.lock().unwrap().len() >= 100 * round
        })
        .await;
        daemon.kill();
        for writer in writers {
            writer.await.unwrap();
        }
        let daemon = host.start().await;
        let entries = entries(&daemon).await;
        let mut logged = of(&entries, Action::Create, Outcome::Done);
        logged.extend(of(&entries, Action::Create, Outcome::Recovered));
        let acknowledged = acknowledged.lock().unwrap().clone();
        let missing: Vec<_> = acknowledged.difference(&logged).collect();
        assert!(missing.is_empty(), "round {round}: {missing:?}");
        assert_eq!(
            &stored(&daemon).await,
            &logged,
            "round {round}: a version in the store has no entry, or an entry no version"
        );
        let open: BTreeSet<u64> = entries
            .iter()
            .filter(|entry| entry.draft.outcome == Outcome::Intended)
            .map(|entry| entry.seq)
            .collect();
        let ended: BTreeSet<u64> = entries.iter().filter_map(|entry| entry.draft.of).collect();
        assert_eq!(open, ended, "round {round}: what was intended has an end");
        daemon.kill();
        host.ctl(&["audit", "verify", host.store().to_str().unwrap()])
            .success();
    }
}

/// Returns every version in the store.
async fn stored(daemon: &Daemon) -> BTreeSet<String> {
    let client = daemon.client();
    let prompts = client
        .prompts(&promptd::client::PromptFilter::default())
        .all()
        .await
        .unwrap();
    let mut versions = BTreeSet::new();
    for prompt in prompts {
        let of_prompt = client
            .versions(&prompt.prompt_id, promptd::versions::Order::Asc)
            .all()
            .await
            .unwrap();
        versions.extend(of_prompt.iter().map(|v| format!("{}@{}", v.prompt_id, v.version)));
    }
    versions
}

#[tokio::test]
async fn what_is_changed_in_the_files_of_the_log_is_found_with_and_without_a_daemon() {
    let host = Host::new();
    let daemon = host.start().await;
    for prompt in ["a", "b", "c"] {
        let new = NewVersion::of_text("Say it.");
        daemon.client().create_version(&id(prompt), &new).await.unwrap();
    }
    let online = host.ctl(&["audit", "verify"]).success();
    let store = host.store().to_str().unwrap().to_owned();
    let offline = |more: &[&str]| host.ctl(&[&["audit", "verify", store.as_str()], more].concat());
    assert_eq!(offline(&[]).success(), online);
    assert!(daemon.stop().success());
    let head = offline(&[]).success().trim().to_owned();
    offline(&["--head", &head]).success();
    let whole = std::fs::read_to_string(segment(&host)).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let join = |lines: &[&str]| lines.join("\n") + "\n";
    let flipped = whole.replacen("\"create\"", "\"delete\"", 1);
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    let mut shorter = lines.clone();
    shorter.remove(2);
    for (what, content, line) in [
        ("a changed word", flipped, 3),
        ("a removed line", join(&shorter), 3),
        ("swapped lines", join(&swapped), 3),
        ("a cut line", whole[..whole.len() - 4].to_owned(), lines.len()),
    ] {
        std::fs::write(segment(&host), content).unwrap();
        let said = offline(&[]).failure(1);
        assert!(
            said.contains(&format!("audit-000001.jsonl:{line}:")),
            "{what}: {said}"
        );
    }
    // Cut off between lines, only the hash that was kept tells.
    std::fs::write(segment(&host), join(&lines[..lines.len() - 1])).unwrap();
    offline(&[]).success();
    assert!(offline(&["--head", &head]).failure(1).contains("cut off"));
}

#[tokio::test]
async fn the_log_says_who_did_what_and_the_command_shows_it() {
    let host = Host::new();
    let daemon = host.start().await;
    host.ctl_with(&["put", "greet", "-"], "Say hello.", &[]).success();
    host.ctl_with(&["put", "greet", "-"], "Say goodbye.", &[])
        .success();
    host.ctl(&["label", "greet@1.0.0", "production"]).success();
    host.ctl(&["label", "greet@1.0.1", "production"]).success();
    host.ctl(&["rm", "greet@1.0.0", "--yes"]).success();
    let shown = host.ctl(&["audit", "--prompt", "greet"]).success();
    let actions: Vec<&str> = shown
        .lines()
        .map(|line| line.split('\t').nth(3).unwrap())
        .collect();
    assert_eq!(actions, ["delete", "set-label", "set-label", "create", "create"]);
    let moved: Vec<&str> = shown.lines().nth(1).unwrap().split('\t').collect();
    assert_eq!(moved[4..], ["greet production", "1.0.0", "1.0.1", "done"]);
    assert_eq!(host.ctl(&["audit", "--limit", "2"]).success().lines().count(), 2);
    assert_eq!(
        host.ctl(&["audit", "--since", "2090-01-01T00:00:00Z"]).success(),
        ""
    );
    assert!(
        host.ctl(&["audit", "--since", "1h", "--action", "start"])
            .success()
            .contains("promptd")
    );
    host.ctl(&["audit", "--action", "bake"]).failure(2);
    assert!(daemon.stop().success());
    let text = std::fs::read_to_string(segment(&host)).unwrap();
    assert!(!text.contains("hello"), "the text of a prompt is in no log");
    assert!(text.lines().last().unwrap().contains("\"stop\""));
}

#[tokio::test]
async fn changes_by_another_hand_are_logged_as_such() {
    let host = Host::new();
    let daemon = host.start().await;
    daemon
        .client()
        .create_version(&id("p"), &NewVersion::of_text("Say it."))
        .await
        .unwrap();
    let foreign = host.version_file("p", "3.0.0");
    std::fs::write(&foreign, by_hand("p", &version("3.0.0"), "By hand.")).unwrap();
    let seen = async |action: Action| {
        let entries = entries(&daemon).await;
        let found = entries.into_iter().find(|entry| entry.draft.action == action);
        found.is_some_and(|entry| entry.draft.user == "outside" && entry.draft.outcome == Outcome::Seen)
    };
    eventually("the added version in the log", async || {
        seen(Action::OutsideAdded).await
    })
    .await;
    let own = host.version_file("p", "1.0.0");
    let edited = std::fs::read_to_string(&own)
        .unwrap()
        .replace("Say it.", "Say so.");
    std::fs::write(&own, edited).unwrap();
    eventually("the edited version in the log", async || {
        seen(Action::OutsideEdited).await
    })
    .await;
    std::fs::remove_file(&foreign).unwrap();
    eventually("the removed version in the log", async || {
        seen(Action::OutsideRemoved).await
    })
    .await;
    let entries = entries(&daemon).await;
    let own = of(&entries, Action::OutsideAdded, Outcome::Seen);
    assert_eq!(
        own,
        BTreeSet::from(["p@3.0.0".to_owned()]),
        "what the daemon wrote itself is not taken for another's"
    );
}

#[tokio::test]
async fn jobs_are_logged_under_the_name_of_their_author() {
    let host = Host::new();
    let daemon = host.start().await;
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/dify/sample_support_bot.yml"
    );
    host.ctl(&["import", "dsl", fixture]).success();
    let entries = entries(&daemon).await;
    let imported: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.draft.action == Action::Import && entry.draft.outcome == Outcome::Done)
        .collect();
    assert!(!imported.is_empty());
    for entry in imported {
        assert!(
            entry.draft.job_id.is_some() && entry.draft.uid.is_some(),
            "{entry:?}"
        );
    }
}

#[tokio::test]
async fn a_store_without_the_log_is_served_and_says_that_there_is_none() {
    let mut host = Host::new();
    host.set("AUDIT__ENABLED", "false");
    let _daemon = host.start().await;
    host.ctl_with(&["put", "p", "-"], "Say it.", &[]).success();
    assert!(!host.store().join(".audit").exists());
    let said = host.ctl(&["audit"]).failure(3);
    assert!(said.contains("daemon.audit.enabled"), "{said}");
}
