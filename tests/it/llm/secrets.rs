//! The key goes to the endpoint and nowhere else.

use std::path::Path;

use super::jobs::{EAGER, WORDY, host_of, write};
use crate::harness::model_server::{Asked, ModelServer, Reply, response};
use crate::harness::{Host, holders, write_secret};

const KEY: &str = "sk-open-sesame-4711";

fn write_key(host: &Host, directory: &Path, mode: u32) -> std::path::PathBuf {
    std::fs::create_dir_all(directory).unwrap();
    let file = directory.join("llm-key");
    write_secret(&file, KEY, mode);
    assert!(file.starts_with(host.path()));
    file
}

/// Repeats the key wherever an endpoint can put it, and answers well at last.
fn indiscreet(number: usize, _: &Asked) -> Reply {
    let error =
        format!(r#"{{"error": {{"code": "{KEY}", "type": "{KEY}", "message": "Incorrect key {KEY}"}}}}"#);
    match number {
        0 => Reply::Raw(response(429, &format!("X-Key: {KEY}\r\n"), &error)),
        1 => Reply::Raw(response(200, "", &error)),
        2 => Reply::Raw(response(401, "", &error)),
        _ => Reply::Rewrites("Answer § to help, because the user waits.".into()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_in_no_file_no_log_and_no_answer_of_the_daemon() {
    for by_systemd in [true, false] {
        let server = ModelServer::on_loopback(indiscreet).await;
        let mut host = host_of(&server, &[]);
        host.environment
            .push(("PROMPTD__DAEMON__LOGGING__LEVEL".into(), "trace".into()));
        let directory = host.path().join("credentials");
        let key = write_key(&host, &directory, 0o400);
        let (name, value) = match by_systemd {
            true => ("CREDENTIAL", "llm-key".to_owned()),
            false => ("CREDENTIAL_FILE", key.to_str().unwrap().to_owned()),
        };
        host.environment
            .push((format!("PROMPTD__OPTIMIZER__LLM__{name}"), value));
        if by_systemd {
            host.environment.push((
                "CREDENTIALS_DIRECTORY".into(),
                directory.to_str().unwrap().to_owned(),
            ));
        }
        let daemon = host.start().await;
        let texts = [WORDY, "Please stop.", "Please go.", "Please stay."];
        let file = write(&host, &texts);
        let mut said = String::new();
        for more in [&["--json"][..], &[]] {
            let output = host.ctl(
                &[
                    &["optimize", file.to_str().unwrap(), "--strategy", "llm_clarity"],
                    &EAGER[..],
                    more,
                ]
                .concat(),
            );
            said += &(output.stdout + &output.stderr);
        }
        said += &host.ctl(&["status", "--json"]).success();
        said += &host.ctl(&["job", "list", "--json"]).success();
        assert!(said.contains("status 401"), "{said}");
        assert!(!said.contains("sesame"), "{said}");
        let asked = server.asked();
        assert!(
            asked.len() >= 4 && asked.iter().all(|a| a.head.contains(&format!("Bearer {KEY}"))),
            "{asked:?}"
        );
        assert!(asked.iter().all(|a| !a.body.to_string().contains("sesame")));
        let log = daemon.read_log();
        assert!(
            !log.contains("due to the fact") && !log.contains("because the user waits"),
            "{log}"
        );
        assert!(daemon.stop().success());
        assert_eq!(holders(host.path(), "sesame"), [key]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_cannot_be_used_refuses_the_start_and_is_not_shown() {
    let server = ModelServer::on_loopback(indiscreet).await;
    let check = |name: &str, value: &str, code: i32, says: &str| {
        let mut host = host_of(&server, &[]);
        let key = write_key(&host, host.path(), 0o644);
        let value = value.replace("KEYFILE", key.to_str().unwrap());
        host.environment
            .push((format!("PROMPTD__OPTIMIZER__LLM__{name}"), value));
        let (status, said) = host.run_to_end();
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(said.contains(says) && !said.contains("sesame"), "{said}");
    };
    check("CREDENTIAL_FILE", "KEYFILE", 78, "chmod 600");
    check("CREDENTIAL_FILE", "/nowhere/key", 78, "No such file");
    check("CREDENTIAL", "llm-key", 78, "LoadCredential=llm-key:");
    check("API_KEY", KEY, 78, "optimizer.llm.credential");
    check(
        "ENDPOINT",
        &format!("https://user:{KEY}@models.example/v1"),
        78,
        "must not have a user",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_taken_without_a_restart() {
    let server =
        ModelServer::on_loopback(|_, _| Reply::Rewrites("Answer § to help, because the user waits.".into()))
            .await;
    let mut host = host_of(&server, &[]);
    let key = write_key(&host, host.path(), 0o600);
    let variable = "PROMPTD__OPTIMIZER__LLM__CREDENTIAL_FILE".to_owned();
    host.environment
        .push((variable, key.to_str().unwrap().to_owned()));
    let _daemon = host.start().await;
    for (number, secret) in ["first", "second"].into_iter().enumerate() {
        std::fs::write(&key, secret).unwrap();
        let file = write(&host, &[&format!("{WORDY} {number}")]);
        let output = host.ctl(
            &[
                &["optimize", file.to_str().unwrap(), "--strategy", "llm_clarity"],
                &EAGER[..],
            ]
            .concat(),
        );
        assert_eq!(output.code, 0, "{output:?}");
        assert!(server.asked()[number].head.contains(&format!("Bearer {secret}")));
    }
}
