//! Files changed outside the daemon while it serves.

use promptd::model::{Integrity, VersionSelector};
use promptd::versions::NewVersion;

use crate::harness::{Daemon, Host, eventually, id, version};

async fn greet(daemon: &Daemon, texts: &[&str]) {
    for text in texts {
        daemon
            .client()
            .create_version(&id("greet"), &NewVersion::of_text(*text))
            .await
            .unwrap();
    }
}

async fn latest(daemon: &Daemon) -> Option<(String, String)> {
    let document = daemon
        .client()
        .version(&id("greet"), &VersionSelector::Latest)
        .await
        .ok()?
        .parse()
        .ok()?;
    Some((document.version.to_string(), document.prompt.text))
}

#[tokio::test]
async fn an_edited_file_is_served_as_it_is_and_marked() {
    let host = Host::new();
    let daemon = host.start().await;
    greet(&daemon, &["Say hello."]).await;
    let file = host.version_file("greet", "1.0.0");
    let edited = std::fs::read_to_string(&file)
        .unwrap()
        .replace("Say hello.", "Say goodbye.");
    std::fs::write(&file, edited).unwrap();
    eventually("the edit", async || {
        latest(&daemon)
            .await
            .is_some_and(|(_, text)| text == "Say goodbye.")
    })
    .await;
    let document = daemon
        .client()
        .version(&id("greet"), &VersionSelector::Latest)
        .await
        .unwrap();
    assert_eq!(document.integrity, Some(Integrity::Edited));
    let report = host.ctl(&["verify"]);
    assert_eq!(report.code, 1, "an edit is reported: {report:?}");
    assert!(report.stdout.contains("edited"), "{report:?}");
}

#[tokio::test]
async fn an_edited_file_is_refused_where_that_is_configured() {
    let mut host = Host::new();
    let key = "PROMPTD__OPTIMIZER__STORAGE__CONFIG__ON_EXTERNAL_EDIT";
    host.environment.push((key.into(), "refuse".into()));
    let daemon = host.start().await;
    greet(&daemon, &["Say hello."]).await;
    let file = host.version_file("greet", "1.0.0");
    let edited = std::fs::read_to_string(&file)
        .unwrap()
        .replace("Say hello.", "Say goodbye.");
    std::fs::write(&file, edited).unwrap();
    let client = daemon.client();
    eventually("the refusal", async || {
        let answer = client.version(&id("greet"), &VersionSelector::Latest).await;
        answer.is_err_and(|e| e.code() == Some("edited-version"))
    })
    .await;
}

#[tokio::test]
async fn a_version_dropped_in_by_hand_is_the_latest_and_a_removed_one_is_gone() {
    let host = Host::new();
    let daemon = host.start().await;
    greet(&daemon, &["Say hello."]).await;
    let text = std::fs::read_to_string(host.version_file("greet", "1.0.0")).unwrap();
    let dropped = text
        .replace("\"version\": \"1.0.0\"", "\"version\": \"2.0.0\"")
        .replace("Say hello.", "Sing.");
    std::fs::write(host.version_file("greet", "2.0.0"), dropped).unwrap();
    eventually("the new version", async || {
        latest(&daemon).await == Some(("2.0.0".into(), "Sing.".into()))
    })
    .await;
    std::fs::remove_file(host.version_file("greet", "2.0.0")).unwrap();
    eventually("its removal", async || {
        latest(&daemon).await.is_some_and(|(number, _)| number == "1.0.0")
    })
    .await;
    greet(&daemon, &["Say hello again."]).await;
    assert_eq!(
        latest(&daemon).await.unwrap().0,
        "2.0.1",
        "a number that was used is not given out again"
    );
}

#[tokio::test]
async fn a_damaged_file_is_reported_left_alone_and_all_else_is_served() {
    let host = Host::new();
    let daemon = host.start().await;
    greet(&daemon, &["Say hello.", "Say hi."]).await;
    let file = host.version_file("greet", "1.0.1");
    std::fs::write(&file, "{\"torn").unwrap();
    eventually("the one before it", async || {
        latest(&daemon).await.is_some_and(|(number, _)| number == "1.0.0")
    })
    .await;
    let error = daemon
        .client()
        .version(&id("greet"), &VersionSelector::Exact(version("1.0.1")))
        .await
        .unwrap_err();
    assert_eq!(error.code(), Some("corrupt-version"));
    let report = host.ctl(&["verify", "--json"]);
    assert_eq!(report.code, 1);
    assert!(report.stdout.contains("corrupt-version"), "{report:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{\"torn");
}

#[tokio::test]
async fn changes_made_while_the_daemon_is_down_are_seen_at_start() {
    let host = Host::new();
    let daemon = host.start().await;
    greet(&daemon, &["Say hello.", "Say hi."]).await;
    assert!(daemon.stop().success());
    std::fs::remove_file(host.version_file("greet", "1.0.1")).unwrap();
    let file = host.version_file("greet", "1.0.0");
    let edited = std::fs::read_to_string(&file)
        .unwrap()
        .replace("Say hello.", "Say goodbye.");
    std::fs::write(&file, edited).unwrap();
    let daemon = host.start().await;
    assert_eq!(
        latest(&daemon).await,
        Some(("1.0.0".into(), "Say goodbye.".into()))
    );
    greet(&daemon, &["Say hello once more."]).await;
    assert_eq!(latest(&daemon).await.unwrap().0, "1.0.2");
}
