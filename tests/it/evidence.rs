//! Test results, with the real programs: in, out, what they decide, and what survives.

use std::path::{Path, PathBuf};

use promptd::evidence::{Batch, lines};
use promptd::model::VersionSelector;
use serde_json::{Value, json};

use crate::harness::{Daemon, Host, Output, eventually, id, version};

const WORDY: &str = "Please answer {{name}} in order to help, due to the fact that the user waits.";

/// Lines of results of which so many fail.
fn results(count: usize, failed: usize, seconds: f64) -> String {
    let line = |n: usize| {
        let status = if n < failed { "failed" } else { "success" };
        json!({
            "execution_id": format!("run-1-{n}"), "workflow_id": "bot", "timestamp": "2026-11-22T19:52:57Z",
            "status": status, "execution_time": seconds, "tokens_used": 100, "cost": 0.01,
            "inputs": {"name": "Ada"}, "outputs": {"answer": "Hello, Ada."},
        })
        .to_string()
    };
    (0..count).map(|n| line(n) + "\n").collect()
}

fn write(host: &Host, name: &str, content: &str) -> PathBuf {
    let file = host.path().join(name);
    std::fs::write(&file, content).unwrap();
    file
}

fn import(host: &Host, file: &Path, more: &[&str]) -> Output {
    host.ctl(&[&["evidence", "import", file.to_str().unwrap()], more].concat())
}

/// The figures of a version.
fn figures(host: &Host, name: &str) -> Value {
    let shown = host.ctl(&["evidence", "show", name, "--json"]).success();
    serde_json::from_str::<Value>(&shown).unwrap()["figures"].clone()
}

fn two_versions(host: &Host) {
    host.ctl_with(&["put", "greet", "-"], "Say hello to {{name}}.", &[])
        .success();
    host.ctl_with(&["put", "greet", "-"], "Greet {{name}} in one sentence.", &[])
        .success();
}

#[tokio::test]
async fn results_come_in_are_shown_and_are_there_once_however_often_they_are_sent() {
    let host = Host::new();
    let daemon = host.start().await;
    two_versions(&host);
    let file = write(&host, "results.jsonl", &results(1200, 12, 1.5));
    let said = import(&host, &file, &["--to", "greet@latest"]);
    assert!(
        said.stderr.contains("1200 results added, 0 there already"),
        "{said:?}"
    );
    assert_eq!(said.success().trim(), "greet@1.0.1");
    let first = figures(&host, "greet@1.0.1");
    assert_eq!(
        (&first["count"], &first["success_rate"]),
        (&json!(1200), &json!(0.99))
    );
    assert_eq!(
        (&first["p95_execution_time"], &first["total_tokens"]),
        (&json!(1.5), &json!(120_000))
    );
    let again = import(&host, &file, &["--to", "greet@1.0.1"]);
    assert!(
        again.stderr.contains("0 results added, 1200 there already"),
        "{again:?}"
    );
    // Acknowledged is kept: also by a daemon that is killed now.
    daemon.kill();
    let _daemon = host.start().await;
    assert_eq!(figures(&host, "greet@1.0.1"), first);
    assert_eq!(figures(&host, "greet@1.0.0"), Value::Null);
    let listed = host.ctl(&["evidence", "show", "greet", "--results"]).success();
    assert_eq!(listed.lines().count(), 1200);
    let kept = host
        .version_file("greet", "1.0.1")
        .with_file_name(".evidence-1.0.1.jsonl");
    let kept = std::fs::read_to_string(kept).unwrap();
    assert!(!kept.contains("Ada"), "inputs and outputs are not kept");
    host.ctl(&["verify"]).success();
}

#[tokio::test]
async fn bad_input_is_refused_with_the_line_and_nothing_of_it_is_kept() {
    let host = Host::new();
    let _daemon = host.start().await;
    two_versions(&host);
    let good = results(3, 0, 1.0);
    let line = |n: usize| good.lines().nth(n).unwrap().to_owned();
    let header = "execution_id,workflow_id,timestamp,status,execution_time,tokens_used,cost\n";
    let row = "e1,bot,2026-11-22T19:52:57Z,success,1.5,100,0.01\n";
    let cases: [(&str, String, i32, &str); 9] = [
        ("nan.jsonl", good.replacen("1.0", "NaN", 1), 1, "line 1: not JSON"),
        (
            "negative.jsonl",
            good.replace("0.01", "-0.01"),
            1,
            "line 3: cost is -0.01",
        ),
        (
            "infinite.csv",
            format!("{header}{}", row.replace("1.5", "inf")),
            1,
            "line 2: execution_time is \"inf\"",
        ),
        (
            "status.jsonl",
            format!("{}\n{}\n", line(0), line(1).replace("success", "great")),
            1,
            "line 2: status: unknown variant",
        ),
        (
            "columns.csv",
            "execution_id,cost\n".to_owned(),
            1,
            "line 1: the columns workflow_id, timestamp",
        ),
        (
            "torn.jsonl",
            format!("{}\n{}", line(0), &line(1)[..70]),
            1,
            "line 2: the last line is cut off",
        ),
        (
            "torn.csv",
            format!("{header}{row}{}", &row[..30]),
            1,
            "line 3: it may be cut off",
        ),
        (
            "twice.jsonl",
            format!("{}\n{}\n", line(0), line(0).replace("0.01", "0.02")),
            4,
            "line 2: version 1.0.1 of prompt greet has another result of execution run-1-0",
        ),
        (
            "unknown.jsonl",
            line(0).replacen('{', "{\"prompt_id\":\"greet\",\"version\":\"9.9.9\",", 1),
            3,
            "line 1: version 9.9.9 of prompt greet does not exist",
        ),
    ];
    for (name, content, code, says) in cases {
        let file = write(&host, name, &content);
        let refused = import(&host, &file, &["--to", "greet@1.0.1"]).failure(code);
        assert!(refused.contains(says), "{name}: {refused}");
        assert_eq!(figures(&host, "greet@1.0.1"), Value::Null, "{name}");
    }
    let nowhere = write(&host, "nowhere.jsonl", &good);
    let refused = import(&host, &nowhere, &[]).failure(1);
    assert!(refused.contains("line 1: it names no version"), "{refused}");
    // A part that is refused in the middle says how far it came, and going on adds nothing twice.
    let many = results(1200, 0, 1.0);
    let file = write(&host, "many.jsonl", &many);
    import(
        &host,
        &write(&host, "one.jsonl", &line(2)),
        &["--to", "greet@1.0.1"],
    )
    .success();
    let broken: Vec<String> = (1..)
        .zip(many.lines())
        .map(|(number, line)| match number {
            601 => line.replace("run-1-600", "run-1-2").replace("0.01", "0.02"),
            _ => line.to_owned(),
        })
        .collect();
    let broken = broken.join("\n") + "\n";
    let refused = import(
        &host,
        &write(&host, "broken.jsonl", &broken),
        &["--to", "greet@1.0.1"],
    )
    .failure(4);
    assert!(
        refused.contains("line 601: ") && refused.contains("500 of 1200 results are kept"),
        "{refused}"
    );
    let rest = import(&host, &file, &["--to", "greet@1.0.1"]);
    assert!(
        rest.stderr.contains("700 results added, 500 there already"),
        "{rest:?}"
    );
}

#[tokio::test]
async fn the_api_takes_json_lines_and_csv_and_answers_page_by_page() {
    let host = Host::new();
    let daemon = host.start().await;
    two_versions(&host);
    let client = daemon.client();
    let read = lines::reported(results(3, 1, 1.0).as_bytes())
        .map(|(_, one)| one.unwrap())
        .collect();
    let batch = Batch {
        prompt_id: Some("greet".into()),
        version: Some("1.0.0".into()),
        results: read,
    };
    let receipt = client.add_evidence(&batch).await.unwrap();
    assert_eq!((receipt.added, receipt.versions[0].total), (3, 3));
    assert_eq!(client.add_evidence(&batch).await.unwrap().known, 3);
    let exact = VersionSelector::Exact(version("1.0.0"));
    let first = client
        .evidence(&id("greet"), &exact, None, Some(2))
        .await
        .unwrap();
    let rest = client
        .evidence(&id("greet"), &exact, first.next_cursor.as_deref(), Some(2))
        .await
        .unwrap();
    assert_eq!(
        (first.items.len(), rest.items.len(), rest.next_cursor),
        (2, 1, None)
    );
    assert_eq!(first.figures, rest.figures);
    let mut unknown = batch;
    unknown.version = Some("7.0.0".into());
    let refused = client.add_evidence(&unknown).await.unwrap_err();
    assert_eq!(refused.code(), Some("not-found"));
}

/// The one candidate of a workflow that was optimised.
fn optimised(host: &Host) -> (PathBuf, String) {
    let workflow = format!(
        "app: {{name: Bot, mode: workflow}}\nkind: app\nversion: 0.6.0\nworkflow:\n  graph:\n    nodes:\n    - id: '1'\n      data: \
         {{type: llm, title: T, prompt_template: [{{role: system, text: {WORDY:?}}}]}}\n"
    );
    let file = write(host, "bot.yml", &workflow);
    let done = host
        .ctl(&[&["optimize", file.to_str().unwrap(), "--json"], &EAGER[..]].concat())
        .success();
    let done: Value = serde_json::from_str(done.lines().next().unwrap()).unwrap();
    let prompt = &done["result"]["prompts"][0];
    let best = prompt["best"].as_u64().unwrap() as usize;
    let number = prompt["candidates"][best]["version"].as_str().unwrap();
    (file, format!("bot_1_system_0@{number}"))
}

const EAGER: [&str; 8] = [
    "--strategy",
    "efficiency_focus",
    "--strategy",
    "clarity_focus",
    "--min-baseline-score",
    "100",
    "--min-improvement",
    "1",
];

#[tokio::test]
async fn results_decide_what_is_best_and_what_is_promoted() {
    let host = Host::new();
    let daemon = host.start().await;
    let (file, candidate) = optimised(&host);
    let good = write(&host, "good.jsonl", &results(20, 0, 1.0));
    let bad = write(&host, "bad.jsonl", &results(20, 8, 1.0));
    import(&host, &good, &["--to", "bot_1_system_0@1.0.0"]).success();
    import(&host, &bad, &["--to", &candidate]).success();

    let best = daemon
        .client()
        .version(&id("bot_1_system_0"), &VersionSelector::Best)
        .await
        .unwrap();
    assert_eq!(
        best.parse().unwrap().version,
        version("1.0.0"),
        "the score of the candidate is higher"
    );
    let number = candidate.split_once('@').unwrap().1;
    let compared = host.ctl(&["diff", &format!("bot_1_system_0@1.0.0..{number}"), "--json"]);
    let compared: Value = serde_json::from_str(&compared.stdout).unwrap();
    assert!(
        compared["evidence"]["worse"]
            .as_str()
            .unwrap()
            .contains("less often"),
        "{compared}"
    );
    let stat = host.ctl(&["diff", &format!("bot_1_system_0@1.0.0..{number}"), "--stat"]);
    assert!(stat.stdout.contains("success rate"), "{stat:?}");

    let refused = host.ctl(&["promote", &candidate]).failure(4);
    assert!(
        refused.contains("it succeeds less often: 60.0 % against 100.0 %"),
        "{refused}"
    );
    let applied = host.ctl(
        &[
            &["optimize", file.to_str().unwrap(), "--apply", "--json"],
            &EAGER[..],
        ]
        .concat(),
    );
    let applied: Value = serde_json::from_str(applied.stdout.lines().next().unwrap()).unwrap();
    let one = &applied["applied"][0];
    let tests = &applied["result"]["prompts"][0]["tests"];
    assert_eq!(tests["total_tests"], 20, "{applied}");
    let others = applied["result"]["prompts"][0]["candidates"].as_array().unwrap();
    if others.iter().filter(|other| other["accepted"] == true).count() > 1 {
        assert!(
            one["release"].is_string(),
            "the next accepted one takes its place: {one}"
        );
        assert_eq!(one["stepped_over"][0]["candidate"].as_str(), Some(number));
    } else {
        assert!(one["reason"].as_str().unwrap().contains("less often"), "{one}");
    }
    host.ctl(&["promote", &candidate, "--force"]).success();
}

#[tokio::test]
async fn results_of_a_variant_count_for_every_prompt_that_it_is_made_of() {
    let host = Host::new();
    let _daemon = host.start().await;
    for name in ["bot_1_system_0", "bot_2_system_0"] {
        host.ctl_with(&["put", name, "-"], "Say hello to {{name}}.", &[])
            .success();
    }
    let manifest = json!({
        "format": 1, "workflow": "bot", "source": {"file": "bot.yml", "sha256": "0"}, "cases": [],
        "variants": [
            {"variant": "default", "document": "bot.default.yml", "sha256": "0", "prompts": [
                {"prompt_id": "bot_1_system_0", "pointer": "/a", "version": "1.0.0", "sha256": "0"},
                {"prompt_id": "bot_2_system_0", "pointer": "/b", "version": "1.0.0", "sha256": "0"},
            ]},
            {"variant": "short", "document": "bot.short.yml", "sha256": "0", "prompts": [
                {"prompt_id": "bot_1_system_0", "pointer": "/a", "version": null, "sha256": "0"},
            ]},
        ],
    });
    let manifest = write(&host, "manifest.json", &manifest.to_string());
    let manifest = ["--manifest", manifest.to_str().unwrap()];
    let file = write(&host, "results.jsonl", &results(2, 1, 1.0));
    import(&host, &file, &manifest).success();
    for name in ["bot_1_system_0", "bot_2_system_0"] {
        assert_eq!(figures(&host, name)["count"], 2, "{name}");
    }
    let short = results(1, 0, 1.0).replacen('{', "{\"prompt_variant\":\"short\",", 1);
    let refused = import(&host, &write(&host, "short.jsonl", &short), &manifest).failure(1);
    assert!(
        refused.contains("promptctl import dsl bot.short.yml"),
        "{refused}"
    );
}

/// Sends results until the daemon is killed; what was acknowledged then is there afterwards, once.
#[tokio::test]
async fn a_daemon_that_is_killed_while_results_come_in_loses_nothing_that_it_acknowledged() {
    let host = Host::new();
    let daemon: Daemon = host.start().await;
    two_versions(&host);
    let client = daemon.client();
    let batch = |n: usize| Batch {
        prompt_id: Some("greet".into()),
        version: Some("1.0.0".into()),
        results: lines::reported(results(n + 1, 0, 1.0).as_bytes())
            .map(|(_, one)| one.unwrap())
            .skip(n)
            .collect(),
    };
    let sending = tokio::spawn(async move {
        let mut acknowledged = 0;
        for n in 0..500 {
            match client.add_evidence(&batch(n)).await {
                Ok(receipt) => acknowledged = receipt.versions[0].total,
                Err(_) => return acknowledged,
            }
        }
        acknowledged
    });
    let kept = host
        .version_file("greet", "1.0.0")
        .with_file_name(".evidence-1.0.0.jsonl");
    eventually("some results are kept", async || {
        std::fs::read_to_string(&kept).is_ok_and(|text| text.lines().count() > 10)
    })
    .await;
    daemon.kill();
    let acknowledged = sending.await.unwrap();
    let _daemon = host.start().await;
    let count = figures(&host, "greet@1.0.0")["count"].as_u64().unwrap();
    assert!(
        count == acknowledged || count == acknowledged + 1,
        "{count} of {acknowledged}"
    );
    host.ctl(&["verify"]).success();
}
