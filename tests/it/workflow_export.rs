//! Putting stored versions back into workflow files, with the real programs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use promptd::dify::{self, ExtractOptions};
use serde_json::Value;

use crate::harness::{Host, shared_data};

const SAMPLE: &str = include_str!("../fixtures/dify/sample_support_bot.yml");

/// A workflow file of a host, imported, with the names and texts of its prompts.
struct Workflow {
    file: PathBuf,
    prompts: Vec<(String, String)>,
}

impl Workflow {
    fn import(host: &Host, name: &str, content: &str) -> Self {
        let file = host.path().join(name);
        std::fs::write(&file, content).unwrap();
        host.ctl(&["import", "dsl", file.to_str().unwrap()]).success();
        let found = dify::extract(content.as_bytes(), &ExtractOptions::default()).unwrap();
        let slug = dify::workflow_slug(dify::document_stem(name), found.app.name.as_deref());
        let ids = dify::prompt_ids(&slug, &found.prompts);
        let texts = found.prompts.into_iter().map(|prompt| prompt.text);
        let prompts = ids.iter().map(ToString::to_string).zip(texts).collect();
        Self { file, prompts }
    }

    fn path(&self) -> &str {
        self.file.to_str().unwrap()
    }

    fn content(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    /// Makes a new version of the prompt at a position and returns its name and its new text.
    fn put(&self, host: &Host, at: usize) -> (&str, String) {
        let (name, text) = &self.prompts[at];
        let text = format!("{text} Be brief: 'yes' or \"no\".");
        host.ctl_with(&["put", name, "-"], &text, &[]).success();
        (name, text)
    }
}

/// Checks that a document differs from another in exactly these texts.
fn check_differs(before: &str, after: &str, expected: &[&str]) {
    let texts = |document: &str| -> Vec<String> {
        let found = dify::extract(document.as_bytes(), &ExtractOptions::default()).unwrap();
        found.prompts.into_iter().map(|prompt| prompt.text).collect()
    };
    let (before, after) = (texts(before), texts(after));
    assert_eq!(before.len(), after.len());
    let changed: Vec<&str> = before
        .iter()
        .zip(&after)
        .filter(|(old, new)| old != new)
        .map(|(_, new)| new.as_str())
        .collect();
    assert_eq!(changed, expected);
}

fn states(output: &str) -> Vec<(String, String)> {
    let lines = output
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| {
            ["prompt_id", "state"]
                .map(|key| line[key].as_str().unwrap().to_owned())
                .into()
        })
        .collect()
}

#[tokio::test]
async fn a_new_version_is_put_back_and_everything_else_stays() {
    let host = Host::new();
    let _daemon = host.start().await;
    let workflow = Workflow::import(&host, "bot.yml", SAMPLE);
    let nothing = host.ctl(&["export", "dsl", workflow.path()]);
    assert_eq!(nothing.success(), SAMPLE);
    let (name, text) = workflow.put(&host, 1);

    let output = host.ctl(&["export", "dsl", workflow.path()]);
    assert_eq!((output.code, workflow.content().as_str()), (0, SAMPLE));
    assert!(
        output.stderr.contains(&format!("{name}\t1.0.0\t1.0.1\tchanged")),
        "{}",
        output.stderr
    );
    check_differs(SAMPLE, &output.stdout, &[&text]);

    let tried = host
        .ctl(&["export", "dsl", workflow.path(), "--dry-run", "--json"])
        .success();
    let changed: Vec<_> = states(&tried)
        .into_iter()
        .filter(|(_, state)| state == "changed")
        .collect();
    assert_eq!(changed, [(name.to_owned(), "changed".to_owned())]);
    let shown = host
        .ctl(&["export", "dsl", workflow.path(), "--dry-run", "--diff"])
        .success();
    assert!(shown.contains("{+"), "{shown}");

    std::fs::set_permissions(&workflow.file, PermissionsExt::from_mode(0o600)).unwrap();
    host.ctl(&["export", "dsl", workflow.path(), "--in-place"])
        .success();
    assert_eq!(workflow.content(), output.stdout);
    let mode = std::fs::metadata(&workflow.file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = host.ctl(&["export", "dsl", workflow.path(), "--in-place"]);
    assert!(
        again.stderr.contains("has these versions already"),
        "{}",
        again.stderr
    );
    assert_eq!((again.code, workflow.content()), (0, output.stdout));
    let imported = host.ctl(&["import", "dsl", workflow.path()]).success();
    let counts: Vec<&str> = imported.trim_end().split('\t').collect();
    assert_eq!(
        counts[3], "0",
        "what was put back makes no new version: {imported}"
    );
}

#[tokio::test]
async fn a_text_of_no_stored_version_is_a_conflict_and_nothing_is_written() {
    let host = Host::new();
    let _daemon = host.start().await;
    let workflow = Workflow::import(&host, "bot.yml", SAMPLE);
    let (name, text) = workflow.put(&host, 0);
    let (_, other) = workflow.put(&host, 1);
    let found = dify::extract(SAMPLE.as_bytes(), &ExtractOptions::default()).unwrap();
    let mine = dify::Replacement {
        pointer: found.prompts[0].pointer.clone(),
        expected: found.prompts[0].text.clone(),
        text: "Edited by hand.".to_owned(),
    };
    let edited = dify::patch_document(SAMPLE.as_bytes(), &[mine], &dify::Limits::default()).unwrap();
    std::fs::write(&workflow.file, &edited.bytes).unwrap();
    let edited = workflow.content();

    let output = host.ctl(&["export", "dsl", workflow.path()]);
    assert_eq!(
        (output.code, output.stdout.as_str()),
        (4, ""),
        "{}",
        output.stderr
    );
    for part in [
        format!("{name}\t\t1.0.1\tconflict"),
        "[-Edited by hand-]".to_owned(),
        "--force".to_owned(),
    ] {
        assert!(
            output.stderr.contains(&part),
            "{part} is not in {}",
            output.stderr
        );
    }
    let new = host.path().join("new.yml");
    for target in [
        &["--in-place"][..],
        &["--output", new.to_str().unwrap()],
        &["--dry-run"],
    ] {
        let arguments = [&["export", "dsl", workflow.path(), "--json"], target].concat();
        let refused = host.ctl(&arguments);
        assert_eq!(refused.code, 4, "{refused:?}");
        let line: Value = serde_json::from_str(refused.stdout.lines().next().unwrap()).unwrap();
        assert_eq!(
            (line["file_text"].as_str(), line["store_text"].as_str()),
            (Some("Edited by hand."), Some(&*text))
        );
    }
    assert_eq!((workflow.content(), new.exists()), (edited.clone(), false));

    let only = host
        .ctl(&[
            "export",
            "dsl",
            workflow.path(),
            "--prompt",
            &workflow.prompts[1].0,
        ])
        .success();
    check_differs(&edited, &only, &[&other]);
    let forced = host.ctl(&["export", "dsl", workflow.path(), "--force"]).success();
    check_differs(&edited, &forced, &[&text, &other]);
    // Once it is imported, the text in the file is a version like any other, and the latest one.
    host.ctl(&["import", "dsl", workflow.path()]).success();
    let latest = host.ctl(&["export", "dsl", workflow.path()]).success();
    assert_eq!(latest, edited);
    let before = host
        .ctl(&["export", "dsl", workflow.path(), "--ref", "1.0.1"])
        .success();
    check_differs(&edited, &before, &[&text, &other]);
}

#[tokio::test]
async fn the_reference_says_which_versions_are_put_back() {
    let host = Host::new();
    let _daemon = host.start().await;
    let workflow = Workflow::import(&host, "bot.yml", SAMPLE);
    let none = host.ctl(&["export", "dsl", workflow.path(), "--ref", "production"]);
    assert!(none.failure(3).contains("has a version 'production'"));
    let (name, text) = workflow.put(&host, 0);
    workflow.put(&host, 1);
    host.ctl(&["label", &format!("{name}@1.0.1"), "production"])
        .success();
    let production = host.ctl(&[
        "export",
        "dsl",
        workflow.path(),
        "--ref",
        "production",
        "--dry-run",
        "--json",
    ]);
    let states = states(&production.success());
    assert_eq!(states[0], (name.to_owned(), "changed".to_owned()));
    assert!(
        states[1..].iter().all(|(_, state)| state == "not-stored"),
        "{states:?}"
    );
    let patched = host
        .ctl(&["export", "dsl", workflow.path(), "--ref", "production"])
        .success();
    check_differs(SAMPLE, &patched, &[&text]);
    let first = host
        .ctl(&["export", "dsl", workflow.path(), "--ref", "1.0.0"])
        .success();
    assert_eq!(first, SAMPLE);
    let piped = ["export", "dsl", "-", "--workflow", "bot", "--ref", "production"];
    assert_eq!(host.ctl_with(&piped, SAMPLE, &[]).success(), patched);
}

#[tokio::test]
async fn what_cannot_be_put_back_is_said_and_nothing_is_written() {
    let host = Host::new();
    let _daemon = host.start().await;
    let shared = "workflow: {graph: {nodes: [{id: n, data: {type: llm, prompt_template: [{role: user, text: &t A text.}]}}]}}\n\
                  notes: [*t]\n";
    let workflow = Workflow::import(&host, "shared.yml", shared);
    workflow.put(&host, 0);
    let refused = host.ctl(&["export", "dsl", workflow.path()]);
    assert_eq!(refused.stdout, "");
    assert!(
        refused
            .failure(1)
            .contains("the alias on line 2 shares this value")
    );

    let path = workflow.path();
    let gone = host.ctl(&["export", "dsl", path, "--prompt", "shared_other_user_0"]);
    assert!(
        gone.failure(3)
            .contains("the workflow has no prompt shared_other_user_0")
    );
    let unknown = host.ctl(&["export", "dsl", path, "--workflow", "never.imported"]);
    assert!(unknown.failure(3).contains("'never.imported'"));
    let both = host.ctl(&["export", "dsl", path, "--json"]);
    assert!(both.failure(2).contains("cannot both go to the standard output"));
    let nameless = host.ctl_with(&["export", "dsl", "-"], SAMPLE, &[]);
    assert!(nameless.failure(2).contains("the standard input has no name"));
    let taken = host.path().join("taken.yml");
    std::fs::write(&taken, "other content").unwrap();
    let bot = Workflow::import(&host, "bot.yml", SAMPLE);
    let refused = host.ctl(&["export", "dsl", bot.path(), "--output", taken.to_str().unwrap()]);
    assert!(refused.failure(4).contains("is there already with other content"));
    assert_eq!(std::fs::read_to_string(&taken).unwrap(), "other content");
    let broken = host.path().join("broken.yml");
    std::fs::write(&broken, "a: 'open\n").unwrap();
    let refused = host.ctl(&["export", "dsl", broken.to_str().unwrap()]);
    assert!(refused.failure(1).contains("a quote is not closed"));
}

#[tokio::test]
async fn every_prompt_of_real_exports_travels_through_the_store_and_back() {
    let Some(folder) = shared_data("dify_dsl") else {
        return;
    };
    let host = Host::new();
    let _daemon = host.start().await;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yml") {
            check_travels(&host, &path);
        }
    }
}

fn check_travels(host: &Host, path: &Path) {
    let name = path.file_name().unwrap().to_str().unwrap();
    let original = std::fs::read_to_string(path).unwrap();
    let workflow = Workflow::import(host, name, &original);
    if workflow.prompts.is_empty() {
        let nothing = host.ctl(&["export", "dsl", workflow.path()]);
        assert!(nothing.failure(1).contains("no prompts found"), "{name}");
        return;
    }
    assert_eq!(
        host.ctl(&["export", "dsl", workflow.path()]).success(),
        original,
        "{name}"
    );
    let texts: Vec<String> = (0..workflow.prompts.len())
        .map(|at| workflow.put(host, at).1)
        .collect();
    let expected: Vec<&str> = texts.iter().map(String::as_str).collect();
    host.ctl(&["export", "dsl", workflow.path(), "--in-place"])
        .success();
    let patched = workflow.content();
    check_differs(&original, &patched, &expected);
    host.ctl(&["export", "dsl", workflow.path(), "--in-place", "--ref", "1.0.0"])
        .success();
    let first: Vec<&str> = workflow.prompts.iter().map(|(_, text)| text.as_str()).collect();
    check_differs(&patched, &workflow.content(), &first);
}
