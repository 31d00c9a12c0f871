//! PyYAML, which Dify reads documents with, as the judge: the patched document must load as the original with the texts
//! put in.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

/// A document before and after, and what changed.
pub(super) struct Change {
    pub(super) original: Vec<u8>,
    pub(super) patched: Vec<u8>,
    /// Pointers and texts.
    pub(super) texts: Vec<(String, String)>,
}

/// Which of its two loaders.
#[derive(Clone, Copy)]
pub(super) enum Loader {
    /// The one written in Python, as Dify uses it.
    Pure,
    /// The one over libyaml, which is fast, where it is there.
    Fast,
}

const SCRIPT: &str = r#"
import json, sys, yaml

loader = yaml.SafeLoader
if sys.argv[1] == "fast":
    loader = getattr(yaml, "CSafeLoader", loader)

def put(tree, pointer, text):
    tokens = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
    for depth, token in enumerate(tokens):
        if isinstance(tree, list):
            key = int(token)
        else:
            key = next((k for k in tree if k == token), None)
            if key is None:
                key = next(k for k in tree if str(k) == token or (k is None and token == ""))
        if depth + 1 == len(tokens):
            tree[key] = text
        else:
            tree = tree[key]

compared = 0
for line in sys.stdin:
    case = json.loads(line)
    try:
        expected = yaml.load(case["original"].encode(), loader)
    except yaml.YAMLError:
        continue
    for pointer, text in case["texts"]:
        put(expected, pointer, text)
    try:
        found = yaml.load(case["patched"].encode(), loader)
    except yaml.YAMLError as error:
        sys.exit(f"does not load: {error}\n{case['original']!r}\n{case['patched']!r}")
    if repr(found) != repr(expected):
        sys.exit(f"differs: {found!r}\nexpected {expected!r}\n{case['original']!r}\n{case['patched']!r}")
    compared += 1
print(compared)
"#;

/// Compares all changes; says so where PyYAML is not installed.
pub(super) fn check(changes: &[Change], loader: Loader) {
    let probe = Command::new("python3")
        .args(["-c", "import yaml"])
        .stderr(Stdio::null())
        .status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED in part: python3 with PyYAML is not here, so nothing was compared with it");
        return;
    }
    let name = match loader {
        Loader::Pure => "pure",
        Loader::Fast => "fast",
    };
    let mut child = Command::new("python3")
        .args(["-c", SCRIPT, name])
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for Change {
        original,
        patched,
        texts,
    } in changes
    {
        let (original, patched) = (
            String::from_utf8_lossy(original),
            String::from_utf8_lossy(patched),
        );
        let line = json!({"original": original, "patched": patched, "texts": texts});
        // A script that has found a difference reads no further; its message says why.
        if writeln!(input, "{line}").is_err() {
            break;
        }
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let compared: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(
        compared * 10 >= changes.len() * 8,
        "PyYAML reads {compared} of {} documents",
        changes.len()
    );
}
