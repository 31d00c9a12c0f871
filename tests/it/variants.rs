//! Variants of workflows and running their cases, with the real programs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use promptd::dify::{self, ExtractOptions, Limits, Node};
use promptd::variants::run::CaseResult;
use promptd::variants::{Manifest, parse_manifest};
use serde_json::{Value, json};

use crate::harness::{Host, eventually, shared_data};

const WORKFLOW: &str = r#"# kept
app: {mode: workflow, name: Bot}
kind: app
workflow:
  graph:
    nodes:
      - {id: start, data: {type: start, variables: [{variable: q}]}}
      - id: "1"
        data:
          type: llm
          title: Answer
          prompt_template:
            - {role: system, text: 'Please answer {{#start.q#}} in order to help.'}
            - {role: user, text: "Go on."}
"#;

/// A plan with one variant; its dataset says what the command shall do.
const PLAN: &str = r#"
workflows:
  - catalog_id: bot
    prompt_optimization:
      - variant_id: brief
        nodes:
          - selector: {by_label: answer, constraints: {if_missing: error}}
            strategy: {mode: prepend, content: Be brief.}
test_data:
  datasets:
    - name: smoke
      parameters:
        do: {type: string, values: [ok, rubbish, exit, hang, flood, failed, silent]}
  strategy: {mode: cartesian}
execution:
  concurrency: 4
  retry_policy: {max_attempts: 2, backoff_seconds: 0}
  stop_conditions: {timeout_per_task: 4}
"#;

/// Does what the case says.
const COMMAND: &str = r#"read -r line
case "$line" in
  *'"do":"ok"'*) echo '{"outputs": {"text": "hi"}, "tokens_used": 5, "cost": 0.25}' ;;
  *'"do":"rubbish"'*) echo 'All done!' ;;
  *'"do":"exit"'*) echo 'it broke' >&2; exit 3 ;;
  *'"do":"hang"'*) sleep 600 ;;
  *'"do":"flood"'*) head -c 1000000000 /dev/zero ;;
  *'"do":"failed"'*) echo '{"status": "failed", "error_message": "not good"}' ;;
esac"#;

fn write(host: &Host, name: &str, content: impl AsRef<[u8]>) -> String {
    let file = host.path().join(name);
    std::fs::write(&file, content).unwrap();
    file.to_str().unwrap().to_owned()
}

fn outbox(host: &Host) -> PathBuf {
    host.path().join("out")
}

/// Makes an outbox of a workflow and a plan.
fn make(host: &Host, workflow: &str, plan: &str, more: &[&str]) -> (i32, String) {
    let [workflow, plan] =
        [("bot.yml", workflow), ("plan.yml", plan)].map(|(name, text)| write(host, name, text));
    let out = outbox(host);
    let arguments = [
        &[
            "variants",
            &workflow,
            "--plan",
            &plan,
            "--output",
            out.to_str().unwrap(),
        ],
        more,
    ]
    .concat();
    let output = host.ctl(&arguments);
    (output.code, output.stderr)
}

fn run(host: &Host, script: &str, more: &[&str]) -> (i32, Value, String) {
    let out = outbox(host);
    let begin = ["variants", "run", out.to_str().unwrap(), "--json"];
    let output = host.ctl(&[&begin, more, &["--", "sh", "-c", script]].concat());
    let json = serde_json::from_str(&output.stdout).unwrap_or_default();
    (output.code, json, output.stderr)
}

fn manifest(host: &Host) -> Manifest {
    parse_manifest(&std::fs::read(outbox(host).join("manifest.json")).unwrap()).unwrap()
}

fn results(host: &Host) -> Vec<CaseResult> {
    let text = std::fs::read_to_string(outbox(host).join("results.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                std::fs::read(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

/// Returns where two documents differ.
fn differences(one: &[u8], other: &[u8]) -> BTreeSet<String> {
    fn walk(one: &Node, other: &Node, at: &str, found: &mut BTreeSet<String>) {
        if let (Some(a), Some(b)) = (one.as_mapping(), other.as_mapping()) {
            let keys: BTreeSet<&str> = a.iter().chain(b.iter()).map(|(key, _)| key).collect();
            for key in keys {
                let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => walk(a, b, &at, found),
                    _ => {
                        found.insert(at);
                    }
                }
            }
        } else if let (Some(a), Some(b)) = (one.as_sequence(), other.as_sequence())
            && a.len() == b.len()
        {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                walk(a, b, &format!("{at}/{index}"), found);
            }
        } else if one != other {
            found.insert(at.to_owned());
        }
    }
    let [one, other] =
        [one, other].map(|bytes| dify::parse_document(bytes, &Limits::default()).unwrap().root);
    let mut found = BTreeSet::new();
    walk(&one, &other, "", &mut found);
    found
}

#[test]
fn a_plan_becomes_documents_and_cases_the_same_every_time() {
    let host = Host::new();
    let (code, said) = make(&host, WORKFLOW, PLAN, &["--dry-run"]);
    assert!(
        code == 0 && said.contains("nothing was written") && !outbox(&host).exists(),
        "{said}"
    );

    let (code, said) = make(&host, WORKFLOW, PLAN, &[]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("promptd cannot be reached"), "{said}");
    let first = files(&outbox(&host));
    let names: Vec<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["bot.brief.yml", "bot.default.yml", "manifest.json"]);
    assert_eq!(first[1].1, WORKFLOW.as_bytes());
    let expected: BTreeSet<String> = [0, 1]
        .map(|at| format!("/workflow/graph/nodes/1/data/prompt_template/{at}/text"))
        .into();
    assert_eq!(differences(WORKFLOW.as_bytes(), &first[0].1), expected);
    let manifest = manifest(&host);
    assert_eq!(
        (manifest.workflow.as_str(), manifest.source.file.as_str()),
        ("bot", "bot.yml")
    );
    assert_eq!(
        manifest.variants[1].prompts[0].prompt_id.as_str(),
        "bot_1_system_0"
    );
    assert_eq!(manifest.variants[1].prompts[0].version, None);
    assert_eq!(manifest.cases.len(), 14);
    assert_eq!(manifest.cases[13].variant, "brief");
    assert_eq!(
        Value::from(manifest.cases[13].parameters.clone()),
        json!({"do": "silent"})
    );

    let (code, _) = make(&host, WORKFLOW, PLAN, &[]);
    assert_eq!((code, files(&outbox(&host))), (0, first.clone()));
    let other = PLAN.replace("Be brief.", "Be very brief.");
    let (code, said) = make(&host, WORKFLOW, &other, &[]);
    assert!(
        code == 4 && said.contains("bot.brief.yml, manifest.json"),
        "{code} {said}"
    );
    assert_eq!(files(&outbox(&host)), first);
    assert_eq!(make(&host, WORKFLOW, &other, &["--force"]).0, 0);
    assert_ne!(files(&outbox(&host)), first);
}

#[test]
fn the_example_in_the_documents_works() {
    let docs = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/workflows.md"));
    let block = |name: &str| {
        let begin = docs.split_once(&format!("```{name}\n")).unwrap().1;
        begin.split_once("```").unwrap().0
    };
    let host = Host::new();
    let sample = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/dify/sample_support_bot.yml"
    ));
    write(&host, "sample_support_bot.yml", sample);
    write(&host, "plan.yml", block("yaml plan"));
    let script = write(&host, "run-case.sh", block("sh run-case"));
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_promptctl")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-ec", block("sh variants")])
        .current_dir(host.path())
        .env_clear()
        .env("PATH", path)
        .env("HOME", host.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .concat();
    assert!(output.status.success(), "{said}");
    // Two variants beside the default, four pairs of inputs for each.
    assert!(said.contains("12 cases: 12 succeeded of 12 completed"), "{said}");
    let out = host.path().join("sample_support_bot.variants");
    let terse = std::fs::read(out.join("sample_support_bot.terse.yml")).unwrap();
    let pointer = "/workflow/graph/nodes/6/data/prompt_template/0/text";
    let changed = differences(sample.as_bytes(), &terse);
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(
        changed
            .iter()
            .all(|at| at.ends_with("/data/prompt_template/0/text")),
        "{changed:?} {pointer}"
    );
}

#[test]
fn variants_of_real_workflows_differ_in_exactly_the_meant_texts() {
    let Some(folder) = shared_data("dify_dsl") else {
        return;
    };
    let plan = r#"
workflows:
  - catalog_id: all
    prompt_optimization:
      - variant_id: kind
        nodes:
          - {selector: {by_type: llm}, strategy: {mode: append, content: Be kind.}}
          - {selector: {by_type: agent}, strategy: {mode: prepend, content: Be kind.}}
          - {selector: {by_type: question-classifier}, strategy: {mode: template, template: {inline: "{{ original }}!"}}}
"#;
    let (mut patched, mut refused) = (0, Vec::new());
    let all = [folder.clone(), folder.join("synthetic")];
    let files = all.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    for path in files.map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|ending| ending != "yml") {
            continue;
        }
        let host = Host::new();
        let original = std::fs::read(&path).unwrap();
        let plan = write(&host, "plan.yml", plan);
        let out = outbox(&host);
        let arguments = [
            "variants",
            path.to_str().unwrap(),
            "--plan",
            &plan,
            "--output",
            out.to_str().unwrap(),
            "--json",
        ];
        let made = host.ctl(&arguments);
        if made.code != 0 {
            // A text behind an alias, or no prompt at all: nothing is written then.
            assert!(made.code == 1 && !out.exists(), "{made:?}");
            refused.push(path.file_name().unwrap().to_owned());
            continue;
        }
        let said: Value = serde_json::from_str(&made.stdout).unwrap();
        let manifest = manifest(&host);
        let kind = std::fs::read(out.join(&manifest.variants[1].document)).unwrap();
        let meant: BTreeSet<String> = said["variants"][1]["changes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|change| change["pointer"].as_str().unwrap().to_owned())
            .collect();
        let mut found = differences(&original, &kind);
        // The basic text beside a Jinja2 text may follow it.
        found.retain(|at| meant.contains(at) || !at.ends_with("/text"));
        assert_eq!(found, meant, "{}", path.display());
        let texts = |document: &[u8]| {
            dify::extract(document, &ExtractOptions::default())
                .unwrap()
                .prompts
        };
        for (prompt, entry) in texts(&kind).iter().zip(&manifest.variants[1].prompts) {
            assert_eq!(prompt.pointer, entry.pointer);
        }
        for (old, new) in texts(&original).iter().zip(&texts(&kind)) {
            assert_eq!(old.references, new.references, "{}", path.display());
        }
        patched += meant.len();
    }
    eprintln!("{patched} texts were patched; refused: {refused:?}");
    // Two have no prompt, one shares a text by an alias.
    assert!(patched > 60 && refused.len() <= 3, "{patched} {refused:?}");
}

#[test]
fn plans_that_do_not_fit_say_where_and_write_nothing() {
    let host = Host::new();
    let fails = |plan: &str, expected: i32, words: &str| {
        let (code, said) = make(&host, WORKFLOW, plan, &[]);
        assert!(code == expected && said.contains(words), "{code} {said}");
        assert!(!outbox(&host).exists());
    };
    fails(&PLAN.replace("by_label", "by_lable"), 1, "plan.yml:7: ");
    fails(
        &PLAN.replace("answer,", "nobody,"),
        1,
        "line 7: the selector matches nothing",
    );
    fails(
        &PLAN.replace("Be brief.", "'See {{#9.x#}}.'"),
        1,
        "adds {{#9.x#}}",
    );
    fails(
        &PLAN.replace("content: Be brief.", "ref: bot_1_system_0@1.0.0"),
        69,
        "cannot reach promptd",
    );
    let template = |file: &str| {
        let prepend = "mode: prepend, content: Be brief.";
        PLAN.replace(
            prepend,
            &format!("mode: template, template: {{file: {file}}}, fallback_value: x"),
        )
    };
    write(&host, "secret", "secret");
    fails(&template("../secret"), 1, "not beneath the plan");
    fails(&template("/etc/passwd"), 1, "not beneath the plan");
    let looping = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}";
    std::fs::write(host.path().join("loop.j2"), looping).unwrap();
    let no_fallback = template("loop.j2").replace(", fallback_value: x", "");
    fails(&no_fallback, 1, "too much work");
    let catalog = |sum: &str| {
        format!("{PLAN}catalog: {{workflows: [{{id: bot, dsl_path: bot.yml, checksum: '{sum}'}}]}}\n")
    };
    fails(&catalog("00"), 4, "not the file of the catalogue");
    let two = PLAN
        .replace("workflows:\n", "workflows:\n  - catalog_id: other\n")
        .replace("id: bot", "id: third");
    fails(&two, 3, "several workflows: other, third");
    fails(
        "workflows: [{catalog_id: bot, dataset_refs: [gone]}]",
        3,
        "'gone'",
    );
}

#[test]
fn a_catalogue_names_the_file_and_checks_it() {
    let host = Host::new();
    write(&host, "bot.yml", WORKFLOW);
    std::fs::create_dir(host.path().join("plans")).unwrap();
    let plan = write(&host, "plans/plan.yml", PLAN);
    let sum = Command::new("sha256sum")
        .arg(host.path().join("bot.yml"))
        .output()
        .unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap()[..64].to_owned();
    let catalog = format!(
        "{{meta: {{}}, workflows: [{{id: bot, label: B, type: workflow, dsl_path: bot.yml, checksum: 'sha256:{sum}', \
                           nodes: [{{node_id: '1', label: The answer, type: llm, path: /graph/nodes/4, prompt_fields: \
                           [data.prompt_template.1.text]}}]}}]}}"
    );
    let catalog = write(&host, "catalog.yml", catalog);
    let datasets = write(&host, "data.yml", "datasets: [{name: more, scenario: boundary}]");
    let out = outbox(&host);
    let arguments = [
        "variants",
        "--plan",
        &plan,
        "--catalog",
        &catalog,
        "--datasets",
        &datasets,
        "--output",
    ];
    let made = host.ctl(&[&arguments[..], &[out.to_str().unwrap()]].concat());
    assert_eq!(made.code, 0, "{made:?}");
    let brief = std::fs::read(out.join("bot.brief.yml")).unwrap();
    let changed = differences(WORKFLOW.as_bytes(), &brief);
    assert_eq!(
        changed,
        BTreeSet::from(["/workflow/graph/nodes/1/data/prompt_template/1/text".to_owned()])
    );
    let cases = manifest(&host).cases;
    assert_eq!(
        (cases.len(), cases[7].dataset.as_str(), cases[7].scenario.as_str()),
        (16, "more", "boundary")
    );
}

#[tokio::test]
async fn stored_versions_and_candidates_become_variants() {
    let host = Host::new();
    let _daemon = host.start().await;
    let bot = write(&host, "bot.yml", WORKFLOW);
    let none = host.ctl(&["variants", &bot, "--candidates"]).failure(3);
    assert!(none.contains("promptctl optimize"), "{none}");
    let eager = [
        "--strategy",
        "efficiency_focus",
        "--min-baseline-score",
        "100",
        "--min-improvement",
        "2",
    ];
    host.ctl(&[&["optimize", &bot], &eager[..]].concat()).success();
    let out = outbox(&host);
    let arguments = [
        "variants",
        &bot,
        "--candidates",
        "--output",
        out.to_str().unwrap(),
        "--json",
    ];
    let made: Value = serde_json::from_str(&host.ctl(&arguments).success()).unwrap();
    let variant = made["variants"][1]["variant"].as_str().unwrap();
    assert!(
        variant.starts_with("1_system_0@") && variant.contains("-opt."),
        "{made}"
    );
    let manifest = manifest(&host);
    let version = |variant: usize| {
        manifest.variants[variant].prompts[0]
            .version
            .as_ref()
            .unwrap()
            .to_string()
    };
    assert_eq!(version(0), "1.0.0");
    assert_eq!(format!("1_system_0@{}", version(1)), variant);
    assert_eq!(manifest.cases.len(), manifest.variants.len());
    let document = std::fs::read_to_string(out.join(&manifest.variants[1].document)).unwrap();
    let text = host.ctl(&["get", &format!("bot_{variant}")]).success();
    assert!(
        document.contains(&text) && !WORKFLOW.contains(&text),
        "{document}"
    );

    // The same by a plan that names the version.
    let plan = PLAN
        .replace("content: Be brief.", &format!("ref: bot_{variant}"))
        .replace("prepend", "replace");
    let plan = plan.replace("by_label: answer", "by_prompt: bot_1_system_0");
    assert_eq!(make(&host, WORKFLOW, &plan, &["--force"]).0, 0);
    let by_plan = std::fs::read_to_string(out.join("bot.brief.yml")).unwrap();
    assert_eq!(by_plan, document);
    let gone = plan.replace(&version(1), "9.9.9");
    let (code, said) = make(&host, WORKFLOW, &gone, &[]);
    assert!(
        code == 3 && said.contains("no version bot_1_system_0@9.9.9"),
        "{said}"
    );
}

/// From the optimisation to the figures of the candidate: the whole way of a test run.
#[tokio::test]
async fn a_run_of_candidates_becomes_evidence_of_their_versions_once() {
    let host = Host::new();
    let _daemon = host.start().await;
    let bot = write(&host, "bot.yml", WORKFLOW);
    let eager = [
        "--strategy",
        "efficiency_focus",
        "--min-baseline-score",
        "100",
        "--min-improvement",
        "2",
    ];
    host.ctl(&[&["optimize", &bot], &eager[..]].concat()).success();
    let out = outbox(&host);
    let out = out.to_str().unwrap();
    host.ctl(&["variants", &bot, "--candidates", "--output", out])
        .success();
    let answer = r#"echo '{"outputs": {"text": "hi"}, "tokens_used": 5, "cost": 0.25}'"#;
    let (code, _, said) = run(&host, answer, &[]);
    assert!(code == 0 && said.contains("promptctl evidence import"), "{said}");
    // The cases have their results already; what is added is what lies in the outbox.
    for expected in ["0 there already", "0 results added"] {
        let (code, _, said) = run(&host, answer, &["--evidence"]);
        assert!(code == 0 && said.contains(expected), "{said}");
    }
    let manifest = manifest(&host);
    for entry in &manifest.variants {
        let prompt = &entry.prompts[0];
        let name = format!("{}@{}", prompt.prompt_id, prompt.version.as_ref().unwrap());
        let shown = host.ctl(&["evidence", "show", &name, "--json"]).success();
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["figures"]["count"], 1, "{name}: {shown}");
        assert_eq!(shown["figures"]["success_rate"], 1.0, "{name}: {shown}");
    }
}

#[test]
fn whatever_a_command_does_is_a_result_and_the_run_goes_on() {
    let host = Host::new();
    make(&host, WORKFLOW, PLAN, &[]);
    let (code, said, complaints) = run(&host, COMMAND, &["--variant", "brief"]);
    assert_eq!(code, 1, "{complaints}");
    let total = &said["total"];
    let counts = [
        "total",
        "succeeded",
        "failed",
        "timeout",
        "error",
        "not_run",
        "retries",
    ]
    .map(|name| &total[name]);
    assert_eq!(
        counts,
        [7, 1, 1, 1, 4, 0, 6].map(Value::from).each_ref(),
        "{said}"
    );
    assert_eq!(
        [&total["total_tokens"], &total["total_cost"]],
        [&json!(5), &json!(0.25)]
    );
    let results = results(&host);
    let of = |action: &str| {
        results
            .iter()
            .find(|result| result.inputs["do"] == action)
            .unwrap()
    };
    for (action, words) in [
        ("rubbish", "did not print one JSON object"),
        ("exit", "exit status: 3; it said: it broke"),
        ("hang", "did not end within 4 s"),
        ("flood", "more than 8388608 bytes"),
        ("failed", "not good"),
        ("silent", "printed nothing"),
    ] {
        let message = of(action).error_message.as_deref().unwrap();
        assert!(message.contains(words), "{action}: {message}");
        assert_eq!(of(action).metadata["attempt_count"], 2, "{action}");
    }
    let fine = of("ok");
    assert_eq!(
        (fine.prompt_variant.as_deref(), fine.dataset.as_deref()),
        (Some("brief"), Some("smoke"))
    );
    assert_eq!(fine.execution_id, format!("{}-1", fine.case_id().unwrap()));

    // What has a result is not run again; what failed is, when asked.
    let (_, _, again) = run(&host, "exit 1", &["--variant", "brief"]);
    assert!(
        again.contains("7 of 7 cases have their result already"),
        "{again}"
    );
    let (code, mended, _) = run(&host, "echo {}", &["--variant", "brief", "--retry-failed"]);
    assert_eq!((code, &mended["total"]["succeeded"]), (0, &json!(7)));
    let ids: BTreeSet<String> = self::results(&host)
        .into_iter()
        .map(|result| result.execution_id)
        .collect();
    assert_eq!(ids.len(), 13, "no execution id is used twice");
}

#[test]
fn the_command_gets_the_case_and_its_document_and_no_shell() {
    let host = Host::new();
    make(&host, WORKFLOW, PLAN, &[]);
    let out = outbox(&host);
    let seen = host.path().join("seen");
    let script = format!("cat > {}; test -f \"$0\" && echo '{{}}'", seen.display());
    let document = out.join("bot.default.yml");
    // The argument is handed over as it is, whatever a shell would make of it.
    std::fs::write(host.path().join("odd $(name)"), "").unwrap();
    let odd = host.path().join("odd $(name)");
    let arguments = [
        "variants",
        "run",
        out.to_str().unwrap(),
        "--concurrency",
        "1",
        "--variant",
        "default",
        "--",
        "sh",
        "-c",
    ];
    let output = host.ctl(&[&arguments[..], &[&script, odd.to_str().unwrap()]].concat());
    assert_eq!(output.code, 0, "{output:?}");
    let case: Value = serde_json::from_slice(&std::fs::read(&seen).unwrap()).unwrap();
    let canonical = std::fs::canonicalize(&document).unwrap();
    assert_eq!(case["document"], canonical.to_str().unwrap());
    assert_eq!(
        [&case["variant"], &case["attempt"], &case["parameters"]["do"]],
        [&json!("default"), &json!(1), &json!("silent")]
    );

    let missing = host.ctl(&[
        "variants",
        "run",
        out.to_str().unwrap(),
        "--variant",
        "brief",
        "--json",
        "--",
        "/nonexistent/x",
    ]);
    assert!(
        missing.code == 1 && missing.stdout.contains("\"error\":7"),
        "{missing:?}"
    );
    assert!(results(&host).iter().any(|one| {
        one.error_message
            .as_deref()
            .unwrap_or("")
            .contains("cannot be started")
    }));
}

#[test]
fn a_run_ends_early_when_it_is_enough() {
    let host = Host::new();
    make(
        &host,
        WORKFLOW,
        &PLAN
            .replace("timeout_per_task: 4", "max_failures: 2")
            .replace("concurrency: 4", "concurrency: 1"),
        &[],
    );
    let (code, said, _) = run(&host, "exit 1", &["--max-attempts", "1"]);
    assert_eq!(
        (code, &said["stopped"]),
        (1, &json!("max_failures (2) is reached"))
    );
    assert_eq!(
        [&said["total"]["error"], &said["total"]["not_run"]],
        [&json!(2), &json!(12)]
    );
    let (code, said, _) = run(&host, "echo {}", &["--dataset", "smoke"]);
    assert_eq!(
        (code, &said["total"]["not_run"], &said["stopped"]),
        (1, &json!(0), &Value::Null)
    );
}

#[test]
fn an_outbox_that_is_not_what_its_manifest_says_is_not_run() {
    let host = Host::new();
    make(&host, WORKFLOW, PLAN, &[]);
    std::fs::write(outbox(&host).join("bot.brief.yml"), "app: {}").unwrap();
    let (code, _, said) = run(&host, "echo {}", &[]);
    assert!(code == 4 && said.contains("bot.brief.yml"), "{said}");
    assert_eq!(run(&host, "echo {}", &["--variant", "default"]).0, 0);
    let (code, _, said) = run(&host, "echo {}", &["--variant", "other"]);
    assert!(code == 3 && said.contains("brief, default"), "{said}");
    assert_eq!(
        host.ctl(&["variants", "run", "/nonexistent", "--", "true"]).code,
        3
    );
}

/// A run whose fourth case hangs.
struct Hanging {
    child: Child,
    /// Where the process that hangs says who it is.
    pid_file: PathBuf,
}

impl Hanging {
    async fn start(host: &Host) -> Self {
        let values = PLAN.replace(
            "[ok, rubbish, exit, hang, flood, failed, silent]",
            "['1', '2', '3', '4', '5', '6']",
        );
        let values = values
            .replace("timeout_per_task: 4", "timeout_per_task: 600")
            .replace("concurrency: 4", "concurrency: 1");
        assert_eq!(make(host, WORKFLOW, &values, &[]).0, 0);
        let pid_file = host.path().join("pid");
        let script = format!(
            "read -r line; case \"$line\" in *'\"do\":\"4\"'*) echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600 ;; *) echo '{{}}' ;; esac",
            pid_file.display()
        );
        let child = Command::new(env!("CARGO_BIN_EXE_promptctl"))
            .args([
                "variants",
                "run",
                outbox(host).to_str().unwrap(),
                "--variant",
                "default",
                "--json",
                "--",
                "sh",
                "-c",
                &script,
            ])
            .env_clear()
            .env("HOME", host.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let hanging = Self { child, pid_file };
        eventually("the fourth case hangs", async || hanging.pid_file.exists()).await;
        hanging
    }

    fn pid(&self) -> String {
        std::fs::read_to_string(&self.pid_file).unwrap().trim().to_owned()
    }
}

fn signal(name: &str, pid: &str) {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -{name} {pid}")])
        .status()
        .unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_after_what_is_finished() {
    let host = Host::new();
    let mut hanging = Hanging::start(&host).await;
    let (code, _, said) = run(&host, "echo {}", &[]);
    assert!(code == 4 && said.contains("another run"), "{said}");
    hanging.child.kill().unwrap();
    hanging.child.wait().unwrap();
    signal("KILL", &hanging.pid());
    let finished = results(&host);
    assert_eq!(finished.len(), 3);

    // As if the power had failed in the middle of a line.
    let file = outbox(&host).join("results.jsonl");
    let mut torn = std::fs::read(&file).unwrap();
    let half = torn[..150].to_vec();
    torn.extend(half);
    std::fs::write(&file, torn).unwrap();
    let log = host.path().join("log");
    let script = format!("cat >> {}; echo '{{}}'", log.display());
    let (code, said, complaints) = run(&host, &script, &["--variant", "default", "--concurrency", "1"]);
    assert!(
        complaints.contains("torn") && complaints.contains("3 of 6"),
        "{complaints}"
    );
    assert_eq!((code, &said["total"]["succeeded"]), (0, &json!(6)));
    let ran = std::fs::read_to_string(&log).unwrap();
    let ran: Vec<Value> = ran
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let ran: Vec<&str> = ran
        .iter()
        .map(|case| case["parameters"]["do"].as_str().unwrap())
        .collect();
    assert_eq!(ran, ["4", "5", "6"]);
    let all = results(&host);
    assert_eq!((all.len(), &all[..3]), (6, &finished[..]));
}

#[tokio::test]
async fn an_interrupted_run_ends_its_commands_and_keeps_what_is_finished() {
    let host = Host::new();
    let hanging = Hanging::start(&host).await;
    let pid = hanging.pid();
    signal("INT", &hanging.child.id().to_string());
    let output = hanging.child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        [&said["interrupted"], &said["total"]["not_run"]],
        [&json!(true), &json!(3)]
    );
    assert_eq!(results(&host).len(), 3);
    let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(
        state.is_empty() || state.contains(") Z "),
        "the command is still there: {state}"
    );
}
