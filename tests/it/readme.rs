//! Runs the commands that the README tells people to run.

use std::path::Path;
use std::process::{Command, Stdio};

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));

/// Waits for a daemon that was started in the background, as a person at the keyboard does without noticing.
const WAIT_FOR_DAEMON: &str = "promptd & DAEMON=$!
for _ in $(seq 600); do promptctl --quiet version >/dev/null 2>&1 && break; sleep 0.05; done";

/// Returns the commands of the tour, as one script.
fn tour() -> String {
    let blocks = README.split("```sh tour\n").skip(1);
    let commands = blocks.map(|block| block.split("```").next().unwrap());
    let commands: String = commands.collect();
    assert!(commands.contains("\npromptd &\n"), "the tour starts no daemon");
    let commands = commands.replacen("\npromptd &\n", &format!("\n{WAIT_FOR_DAEMON}\n"), 1);
    format!("set -euo pipefail\ntrap 'kill $DAEMON; wait $DAEMON || true' EXIT\n{commands}")
}

fn has(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}

#[test]
fn the_commands_of_the_readme_work() {
    if !has("bash") || !has("curl") {
        eprintln!("skipped: bash and curl are needed to run the commands of the README");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_promptd")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &tour()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("PATH", path)
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for line in ["greet@1.0.1", "You greet {{name}}.", "greet@1.0.2"] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    assert!(
        said.contains("\"version\": \"1.1.0\""),
        "the version made with curl is not in\n{said}"
    );
    let document = home.path().join(".local/state/promptd/store/23/greet/1.0.0.json");
    assert!(
        document.is_file(),
        "{} is where the README says",
        document.display()
    );
}
