//! Optimising workflow files, with the real programs.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use promptd::dify::{self, ExtractOptions};
use promptd::http::wire::{JobState, JobView};
use promptd::optimizer::references_in;
use serde_json::{Map, Value, json};

use crate::harness::{Daemon, Host, eventually, shared_data};

const WORDY: &str =
    "Please answer {{#start.question#}} in order to help, due to the fact that the user waits.";
const BRIEF: &str = "Answer {{#start.question#}} to help, because the user waits.";
/// What makes the rules act on texts that are not bad.
const EAGER: [&str; 6] = [
    "--strategy",
    "efficiency_focus",
    "--min-baseline-score",
    "100",
    "--min-improvement",
    "2",
];

/// A workflow with one LLM node for each text.
fn workflow(texts: &[String]) -> String {
    let mut document = "# kept\napp: {name: Bot, mode: workflow}\nkind: app\nversion: 0.6.0\nworkflow:\n  graph:\n    nodes:\n    \
                        - {id: start, data: {type: start, variables: [{variable: question}]}}\n"
        .to_owned();
    for (position, text) in texts.iter().enumerate() {
        document += &format!(
            "    - id: '{}'\n      data: {{type: llm, title: T, prompt_template: [{{role: system, text: {text:?}}}]}}\n",
            position + 1
        );
    }
    document
}

fn texts_of(document: &str) -> Vec<(String, String)> {
    let found = dify::extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
    found
        .prompts
        .into_iter()
        .map(|prompt| (prompt.pointer, prompt.text))
        .collect()
}

fn write(host: &Host, name: &str, content: &str) -> PathBuf {
    let file = host.path().join(name);
    std::fs::write(&file, content).unwrap();
    file
}

/// Runs the verb and returns one JSON object per file.
fn optimize(host: &Host, path: &Path, more: &[&str]) -> (i32, Vec<Value>) {
    let arguments = [&["optimize", path.to_str().unwrap(), "--json"], more].concat();
    let output = host.ctl(&arguments);
    let lines = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    (output.code, lines.collect())
}

async fn versions(daemon: &Daemon) -> u64 {
    daemon.client().status().await.unwrap().versions
}

#[tokio::test]
async fn a_workflow_is_optimised_from_the_dry_run_to_the_patched_file() {
    let host = Host::new();
    let daemon = host.start().await;
    let original = workflow(&[WORDY.to_owned(), "Say {{#start.question#}}.".to_owned()]);
    let file = write(&host, "bot.yml", &original);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    let path = file.to_str().unwrap();

    let tried = host.ctl(&[&["optimize", path, "--dry-run", "--diff"], &EAGER[..]].concat());
    assert!(tried.stdout.contains("{+Answer"), "{tried:?}");
    assert!(tried.stderr.contains("nothing was stored"), "{tried:?}");
    assert_eq!((tried.code, versions(&daemon).await), (0, 0));

    let (code, first) = optimize(&host, &file, &EAGER);
    let prompt = &first[0]["result"]["prompts"][0];
    assert_eq!(
        (code, &prompt["prompt_id"], &prompt["from"]),
        (0, &json!("bot_1_system_0"), &json!("1.0.0"))
    );
    let number = prompt["candidates"][0]["version"].as_str().unwrap();
    assert!(number.ends_with("-opt.1"), "{number}");
    let candidate = format!("bot_1_system_0@{number}");
    assert_eq!(host.ctl(&["get", &candidate]).success(), BRIEF);
    assert_eq!(host.ctl(&["get", "bot_1_system_0"]).success(), WORDY);
    let stored = versions(&daemon).await;
    let (_, second) = optimize(&host, &file, &EAGER);
    assert_eq!(
        (versions(&daemon).await, &second[0]["result"]["created"]),
        (stored, &json!(0))
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), original);

    let new = host.path().join("new.yml");
    let into_new = [&["--apply", "--output", new.to_str().unwrap()], &EAGER[..]].concat();
    let (code, applied) = optimize(&host, &file, &into_new);
    assert_eq!((code, &applied[0]["applied"][0]["reason"]), (0, &Value::Null));
    let expected = original.replacen(WORDY, BRIEF, 1);
    assert_eq!(std::fs::read_to_string(&new).unwrap(), expected);
    // The file lags behind the store, and applying again makes no further version.
    let stored = versions(&daemon).await;
    let (code, again) = optimize(&host, &file, &[&["--apply"], &EAGER[..]].concat());
    assert_eq!((code, versions(&daemon).await), (0, stored));
    assert_eq!(again[0]["applied"], applied[0]["applied"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), expected);
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o640
    );
    let done = host.ctl(&[&["optimize", path, "--apply"], &EAGER[..]].concat());
    assert!(done.stderr.contains("nothing was accepted"), "{done:?}");
    assert_eq!((done.code, versions(&daemon).await), (0, stored));
}

#[tokio::test]
async fn a_candidate_is_promoted_once_and_not_over_what_came_since() {
    let host = Host::new();
    let daemon = host.start().await;
    let file = write(&host, "bot.yml", &workflow(&[WORDY.to_owned(), WORDY.to_owned()]));
    let (_, done) = optimize(&host, &file, &EAGER);
    let candidate = |at: usize| {
        let prompt = &done[0]["result"]["prompts"][at];
        let number = &prompt["candidates"][0]["version"];
        format!(
            "{}@{}",
            prompt["prompt_id"].as_str().unwrap(),
            number.as_str().unwrap()
        )
    };
    let release = host.ctl(&["promote", &candidate(0)]).success();
    assert_eq!(release.trim(), candidate(0).split("-opt.").next().unwrap());
    let stored = versions(&daemon).await;
    let again = host.ctl(&["promote", &candidate(0)]);
    assert!(again.stderr.contains("unchanged"), "{again:?}");
    assert_eq!((again.success(), versions(&daemon).await), (release, stored));

    host.ctl_with(&["put", "bot_2_system_0", "-"], "By hand.", &[])
        .success();
    let refused = host.ctl(&["promote", &candidate(1)]).failure(4);
    assert!(
        refused.contains("made from 1.0.0, and the latest version is 1.0.1"),
        "{refused}"
    );
    host.ctl(&["promote", "bot_2_system_0@1.0.0"]).failure(4);
    host.ctl(&["promote", "bot_2_system_0@9.0.0-opt.1"]).failure(3);
    host.ctl(&["promote", "bot_2_system_0@latest"]).failure(2);
    host.ctl(&["promote", &candidate(1), "--force"]).success();
    assert_eq!(host.ctl(&["get", "bot_2_system_0"]).success(), BRIEF);
}

#[tokio::test]
async fn a_file_that_fails_does_not_stop_the_others_of_a_directory() {
    let host = Host::new();
    let _daemon = host.start().await;
    let folder = host.path().join("exports");
    std::fs::create_dir(&folder).unwrap();
    let good = workflow(&[WORDY.to_owned()]);
    for (name, content) in [
        ("a.yml", "app: [unclosed"),
        ("b.yml", &good),
        ("c.yaml", &good),
        ("notes.json", "[1]"),
    ] {
        std::fs::write(folder.join(name), content).unwrap();
    }
    let (code, lines) = optimize(&host, &folder, &[&["--apply"], &EAGER[..]].concat());
    let files: Vec<bool> = lines.iter().map(|line| line["error"].is_null()).collect();
    assert_eq!((code, files), (1, vec![false, true, true]));
    for name in ["b.yml", "c.yaml"] {
        assert_eq!(
            texts_of(&std::fs::read_to_string(folder.join(name)).unwrap())[0].1,
            BRIEF
        );
    }
    let wrong = host
        .ctl(&["optimize", folder.to_str().unwrap(), "--strategy", "hybrid"])
        .failure(1);
    assert!(!wrong.contains("panicked"), "{wrong}");
}

#[tokio::test]
async fn a_stop_condition_ends_the_run_where_it_is_met_and_keeps_what_was_done() {
    let host = Host::new();
    let daemon = host.start().await;
    let folder = host.path().join("exports");
    std::fs::create_dir(&folder).unwrap();
    let texts = ["Say {{#start.question#}}.", WORDY, WORDY, WORDY].map(str::to_owned);
    for name in ["a.yml", "b.yml", "c.yml"] {
        std::fs::write(folder.join(name), workflow(&texts)).unwrap();
    }
    let most = [&["--max-accepted", "4"], &EAGER[..]].concat();
    let (code, lines) = optimize(&host, &folder, &most);
    let done: Vec<(usize, bool)> = lines
        .iter()
        .map(|line| {
            (
                line["result"]["prompts"].as_array().unwrap().len(),
                line["result"]["stopped"].is_string(),
            )
        })
        .collect();
    assert_eq!((code, done), (0, vec![(4, false), (2, true)]));
    assert_eq!(versions(&daemon).await, 6 + 4);

    let said = host.ctl(&[&["optimize", folder.to_str().unwrap()], &most[..]].concat());
    assert!(
        said.stderr
            .contains("b.yml: stopped, 2 prompts not looked at: max_accepted"),
        "{said:?}"
    );
    assert!(
        said.stderr
            .contains("stopped, 1 file not looked at: --max-accepted is reached"),
        "{said:?}"
    );
    std::fs::write(folder.join("a.yml"), "app: [unclosed").unwrap();
    let (code, lines) = optimize(&host, &folder, &["--max-failures", "1"]);
    assert_eq!((code, lines.len()), (1, 1));
    host.ctl(&["optimize", folder.to_str().unwrap(), "--max-seconds", "0"])
        .failure(2);
}

/// Adds the pointer of everything in which two trees differ.
fn differences(at: &str, one: &Value, two: &Value, found: &mut Vec<String>) {
    match (one, two) {
        (Value::Object(one), Value::Object(two)) => {
            let keys: BTreeSet<&String> = one.keys().chain(two.keys()).collect();
            for key in keys {
                let step = key.replace('~', "~0").replace('/', "~1");
                let of = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(json!("<absent>"));
                differences(&format!("{at}/{step}"), &of(one), &of(two), found);
            }
        }
        (Value::Array(one), Value::Array(two)) if one.len() == two.len() => {
            for (index, (one, two)) in one.iter().zip(two).enumerate() {
                differences(&format!("{at}/{index}"), one, two, found);
            }
        }
        _ if one == two => {}
        _ => found.push(at.to_owned()),
    }
}

/// Checks that a patched document, as another reader of YAML sees it, differs from its original in exactly the promoted
/// texts, and keeps every reference.
fn check_patched(before: &str, after: &str, line: &Value) -> usize {
    let promoted: Vec<&str> = line["applied"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            assert!(one["release"].is_string(), "{one}");
            one["prompt_id"].as_str().unwrap()
        })
        .collect();
    let tree = |document: &str| -> Value { serde_saphyr::from_str(document).unwrap() };
    let (old_tree, new_tree) = (tree(before), tree(after));
    let mut meant = BTreeSet::new();
    for prompt in line["result"]["prompts"].as_array().unwrap() {
        if !promoted.contains(&prompt["prompt_id"].as_str().unwrap()) {
            continue;
        }
        let pointer = prompt["pointer"].as_str().unwrap();
        meant.insert(pointer.to_owned());
        // The basic text of a Jinja2 message follows while it is the same.
        if let Some(message) = pointer.strip_suffix("/jinja2_text") {
            let basic = format!("{message}/text");
            if old_tree.pointer(&basic) == old_tree.pointer(pointer) {
                meant.insert(basic);
            }
        }
    }
    let mut changed = Vec::new();
    differences("", &old_tree, &new_tree, &mut changed);
    assert_eq!(changed.iter().cloned().collect::<BTreeSet<_>>(), meant);
    let (before, after) = (texts_of(before), texts_of(after));
    assert_eq!(before.len(), after.len());
    for ((pointer, old), (same, new)) in before.iter().zip(&after) {
        assert_eq!((pointer, references_in(old)), (same, references_in(new)));
    }
    promoted.len()
}

#[tokio::test]
async fn real_workflows_are_optimised_and_a_second_run_changes_nothing() {
    let Some(folder) = shared_data("dify_dsl") else {
        return;
    };
    let host = Host::new();
    let daemon = host.start().await;
    let copies = host.path().join("copies");
    std::fs::create_dir(&copies).unwrap();
    let synthetic = folder.join("synthetic");
    for entry in [&folder, &synthetic]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap())
    {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), copies.join(entry.file_name())).unwrap();
        }
    }
    let content = |line: &Value| std::fs::read_to_string(line["file"].as_str().unwrap()).unwrap();
    let eager = [
        "--min-baseline-score",
        "100",
        "--min-improvement",
        "0.5",
        "--min-confidence",
        "0",
        "--strategy",
        "clarity_focus",
        "--strategy",
        "efficiency_focus",
        "--strategy",
        "structure_focus",
        "--strategy",
        "conservative",
    ];
    let began = Instant::now();
    let (code, kept) = optimize(&host, &copies, &eager);
    let took = began.elapsed();
    assert_eq!(code, 0, "{kept:?}");
    let stored = versions(&daemon).await;
    let before: Vec<String> = kept.iter().map(content).collect();
    let (_, again) = optimize(&host, &copies, &eager);
    assert!(
        again
            .iter()
            .all(|line| line["result"]["created"] == 0 && line["result"]["imported"] == 0)
    );
    assert_eq!(versions(&daemon).await, stored);

    let (code, applied) = optimize(&host, &copies, &[&["--apply"], &eager[..]].concat());
    assert_eq!(code, 0, "{applied:?}");
    let accepted: usize = applied
        .iter()
        .zip(&before)
        .map(|(line, old)| check_patched(old, &content(line), line))
        .sum();
    assert!(accepted > 0, "something in real workflows can be better");
    eprintln!(
        "{} workflows, {stored} versions, {accepted} texts applied, {:.2} s for the first run",
        kept.len(),
        took.as_secs_f64()
    );
    // Once everything is applied and nothing more is accepted, files and store stay as they are.
    let stable = |lines: &[Value]| {
        lines
            .iter()
            .all(|line| line["applied"].as_array().is_none_or(Vec::is_empty))
    };
    let mut rounds = 0;
    loop {
        let files: Vec<String> = applied.iter().map(content).collect();
        let (code, more) = optimize(&host, &copies, &[&["--apply"], &eager[..]].concat());
        assert_eq!(code, 0);
        if stable(&more) {
            assert_eq!(applied.iter().map(content).collect::<Vec<_>>(), files);
            break;
        }
        rounds += 1;
        assert!(rounds < 5, "it never ends: {more:?}");
    }
    eprintln!("{rounds} further rounds were applied");
}

/// What a job of many prompts made: every version of every prompt and the report of the job, without times, and without
/// the id of the job and what depends on it.
type Made = (BTreeMap<String, Vec<Value>>, Value);

fn without_times(value: &mut Value) {
    const OF_ONE_RUN: [&str; 7] = [
        "created_at",
        "extracted_at",
        "analyzed_at",
        "optimized_at",
        "imported_at",
        "job_id",
        "checksum",
    ];
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !OF_ONE_RUN.contains(&key.as_str()));
            map.values_mut().for_each(without_times);
        }
        Value::Array(items) => items.iter_mut().for_each(without_times),
        _ => {}
    }
}

async fn made(daemon: &Daemon, job: &JobView) -> Made {
    let done = daemon.client().wait_for_job(&job.job_id, |_| {}).await.unwrap();
    assert_eq!(done.state, JobState::Succeeded, "{done:?}");
    let report = done.result.unwrap();
    let mut prompts = BTreeMap::new();
    for prompt in report["prompts"].as_array().unwrap() {
        let id = prompt["prompt_id"].as_str().unwrap();
        let client = daemon.client();
        let prompt_id = crate::harness::id(id);
        let mut pages = client.documents(&prompt_id, promptd::versions::Order::Asc);
        let mut there = Vec::new();
        while let Some(documents) = pages.next().await.unwrap() {
            for document in documents {
                let mut document: Value = serde_json::from_str(document.get()).unwrap();
                without_times(&mut document);
                there.push(document);
            }
        }
        prompts.insert(id.to_owned(), there);
    }
    (prompts, report)
}

async fn submit_hundred(daemon: &Daemon) -> JobView {
    let texts: Vec<String> = (0..100)
        .map(|n| format!("{WORDY} This is number {n}. Please be be brief."))
        .collect();
    let params = json!({"name": "hundred.yml", "content": workflow(&texts), "min_baseline_score": 100,
        "strategies": ["efficiency_focus", "conservative"]});
    let params: Map<String, Value> = params.as_object().unwrap().clone();
    daemon.client().submit_job("optimize", params).await.unwrap()
}

#[tokio::test]
async fn a_job_of_a_hundred_prompts_that_is_killed_ends_as_if_it_had_not_been() {
    let host = Host::new();
    let daemon = host.start().await;
    let job = submit_hundred(&daemon).await;
    let whole = made(&daemon, &job).await;
    assert_eq!(
        (whole.0.len(), &whole.1["created"]),
        (100, &json!(whole.0.values().map(|v| v.len() - 1).sum::<usize>()))
    );
    let kills = 10;
    let mut in_the_middle = 0;
    for kill in 0..kills {
        let host = Host::new();
        let daemon = host.start().await;
        let job = submit_hundred(&daemon).await;
        let least = 2 + 70 * kill / kills;
        eventually("far enough to be killed", async || {
            let now = daemon.client().job(&job.job_id, Duration::ZERO).await.unwrap();
            now.progress.done >= least || now.state.is_final()
        })
        .await;
        daemon.kill();
        let daemon = host.start().await;
        let back = daemon.client().job(&job.job_id, Duration::ZERO).await.unwrap();
        in_the_middle += u64::from(!back.state.is_final());
        assert_eq!(made(&daemon, &job).await, whole, "kill {kill} at {least} prompts");
    }
    assert!(
        in_the_middle >= 3,
        "only {in_the_middle} of {kills} kills came in the middle"
    );
    eprintln!("{in_the_middle} of {kills} kills came in the middle of the job");
}
