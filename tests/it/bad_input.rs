//! Wrong input of every kind: a clear message, the right code, nothing lost, and the daemon goes on.

use promptd::client::ClientError;
use promptd::versions::NewVersion;

use crate::harness::{Daemon, Host, eventually, id};

/// Runs `promptctl`, checks its exit status and that its message says what it must; then that the daemon still serves.
async fn check(host: &Host, daemon: &Daemon, arguments: &[&str], stdin: &str, code: i32, message: &str) {
    let said = host.ctl_with(arguments, stdin, &[]).failure(code);
    assert!(
        said.contains(message),
        "{arguments:?} said {said:?}, not {message:?}"
    );
    daemon.client().health().await.unwrap();
}

#[tokio::test]
async fn each_mistake_at_the_command_line_is_told_with_its_exit_status() {
    let host = Host::new();
    let daemon = host.start().await;
    daemon
        .client()
        .create_version(&id("greet"), &NewVersion::of_text("Say hello."))
        .await
        .unwrap();
    check(&host, &daemon, &["get", "../etc"], "", 2, "prompt id").await;
    check(&host, &daemon, &["get", "greet@01.0.0"], "", 2, "01.0.0").await;
    check(&host, &daemon, &["get", "greet@9.9.9"], "", 3, "9.9.9").await;
    check(&host, &daemon, &["get", "nobody"], "", 3, "nobody").await;
    check(&host, &daemon, &["put", "greet", "-"], "  \n", 1, "empty").await;
    check(
        &host,
        &daemon,
        &["put", "greet", "-"],
        &"x".repeat(100_001),
        1,
        "100000",
    )
    .await;
    check(
        &host,
        &daemon,
        &["put", "greet", "/nowhere/at/all"],
        "",
        1,
        "/nowhere/at/all",
    )
    .await;
    check(&host, &daemon, &["rollback", "greet@7.0.0"], "", 3, "7.0.0").await;
    check(&host, &daemon, &["nonsense"], "", 2, "nonsense").await;
    assert_eq!(host.ctl(&["get", "greet"]).success().trim_end(), "Say hello.");
}

#[tokio::test]
async fn a_hostile_workflow_is_refused_with_its_name_and_the_others_are_imported() {
    let host = Host::new();
    let daemon = host.start().await;
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let inside = format!("*a{}, ", n - 1).repeat(10);
        bomb += &format!("a{n}: &a{n} [{}]\n", inside.trim_end_matches(", "));
    }
    let files = [
        ("bomb.yml", bomb),
        ("deep.yml", "[".repeat(5_000)),
        ("list.yml", "- a\n- b\n".to_owned()),
        ("torn.yml", "app: {name: \"x".to_owned()),
    ];
    let good = "tests/fixtures/dify/sample_support_bot.yml".to_owned();
    let mut arguments = vec!["import".to_owned(), "dsl".to_owned(), good];
    for (name, content) in &files {
        let path = host.path().join(name);
        std::fs::write(&path, content).unwrap();
        arguments.push(path.display().to_string());
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = host.ctl(&arguments);
    assert_eq!(output.code, 1, "{output:?}");
    for (name, _) in &files {
        let row = output.stdout.lines().find(|line| line.contains(name)).unwrap();
        let error = row.rsplit('\t').next().unwrap();
        assert!(error.len() > 20, "{name} has no reason: {row}");
    }
    assert!(
        daemon.client().status().await.unwrap().versions > 0,
        "the good one was imported"
    );
}

#[tokio::test]
async fn a_labelled_version_is_deleted_only_when_forced() {
    let host = Host::new();
    let daemon = host.start().await;
    daemon
        .client()
        .create_version(&id("greet"), &NewVersion::of_text("Say hello."))
        .await
        .unwrap();
    host.ctl(&["label", "greet@1.0.0", "production"]).success();
    check(
        &host,
        &daemon,
        &["rm", "greet@1.0.0", "--yes"],
        "",
        4,
        "production",
    )
    .await;
    host.ctl(&["rm", "greet@1.0.0", "--yes", "--force"]).success();
    assert_eq!(host.ctl(&["get", "greet"]).code, 3);
    host.ctl(&["restore", "greet@1.0.0"]).success();
    assert_eq!(host.ctl(&["get", "greet"]).success().trim_end(), "Say hello.");
}

#[tokio::test]
async fn without_a_daemon_the_command_says_how_to_start_one() {
    let host = Host::new();
    let said = host.ctl(&["list"]).failure(69);
    assert!(said.contains(&host.socket().display().to_string()), "{said}");
}

#[tokio::test]
async fn a_configuration_with_an_unknown_key_names_its_line() {
    let mut host = Host::new();
    let file = host.path().join("promptd.yaml");
    std::fs::write(&file, "daemon:\n  sokcet: /tmp/x\n").unwrap();
    host.arguments = vec!["--config".into(), file.display().to_string()];
    let (status, message) = host.run_to_end();
    assert_eq!(status.code(), Some(78), "{message}");
    assert!(
        message.contains("sokcet") && message.contains('2') && message.contains("socket"),
        "{message}"
    );
}

#[tokio::test]
async fn a_socket_path_that_is_too_long_is_told() {
    let host = Host::new();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_promptd"));
    let long = host.path().join("x".repeat(120));
    let output = command
        .arg("--store")
        .arg(host.store())
        .arg("--socket")
        .arg(long)
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(message.contains("107"), "{message}");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_goes_on_reading_and_deleting() {
    let mut host = Host::new();
    let daemon = host.start().await;
    daemon
        .client()
        .create_version(&id("greet"), &NewVersion::of_text("Say hello."))
        .await
        .unwrap();
    assert!(daemon.stop().success());
    // A reserve above what any disk has is a full disk.
    let key = "PROMPTD__OPTIMIZER__STORAGE__CONFIG__MIN_FREE_BYTES";
    host.environment.push((key.into(), "1TiB".into()));
    let daemon = host.start().await;
    let client = daemon.client();
    match client
        .create_version(&id("greet"), &NewVersion::of_text("Say hi."))
        .await
    {
        Err(ClientError::Refused(problem)) => assert_eq!(problem.code, "storage-full"),
        // A machine with more than a tebibyte free shows nothing here.
        other => return eprintln!("SKIPPED: this disk has more than 1 TiB free ({})", other.is_ok()),
    }
    assert_eq!(host.ctl(&["get", "greet"]).success().trim_end(), "Say hello.");
    host.ctl(&["rm", "greet@1.0.0", "--yes"]).success();
    eventually("still serving", async || client.health().await.is_ok()).await;
}
