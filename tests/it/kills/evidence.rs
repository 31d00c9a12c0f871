//! Test results under the same load: what was acknowledged is there afterwards, once, and of a request without an answer all
//! or nothing.

use std::collections::BTreeSet;
use std::path::Path;

use promptd::client::Client;
use promptd::evidence::{Batch, lines};
use promptd::model::{Version, VersionSelector};
use serde_json::json;

use super::log::{Kept, Outcome, PromptLog, outcome};
use crate::harness::{id, prompt_dir};

/// More than any version gets.
const PAGE: usize = 1000;

/// Adds results of executions to a version, and writes down what came of it.
pub async fn add(
    client: &Client,
    prompt: &mut PromptLog,
    version: &Version,
    executions: Vec<String>,
) -> Outcome<()> {
    let answer = client
        .add_evidence(&batch(&prompt.name, version, &executions))
        .await;
    let kept = prompt.versions.get_mut(version).unwrap();
    match outcome(answer, &[]) {
        Outcome::Done(receipt) => {
            kept.executions.extend(executions);
            assert_eq!(receipt.versions[0].total, kept.executions.len() as u64);
            kept.is_fresh = true;
            Outcome::Done(())
        }
        Outcome::Unknown => {
            kept.floating_executions = executions;
            kept.is_fresh = true;
            Outcome::Unknown
        }
        Outcome::Nothing => Outcome::Nothing,
    }
}

fn batch(prompt: &str, version: &Version, executions: &[String]) -> Batch {
    let line = |execution: &String| {
        json!({"execution_id": execution, "workflow_id": "w", "timestamp": "2026-11-22T19:52:57Z", "status": "success",
            "execution_time": 1.5, "tokens_used": 100, "cost": 0.01})
        .to_string()
    };
    let text = executions.iter().map(line).collect::<Vec<_>>().join("\n") + "\n";
    let results = lines::reported(text.as_bytes()).map(|(_, result)| result.unwrap());
    Batch {
        prompt_id: Some(prompt.to_owned()),
        version: Some(version.to_string()),
        results: results.collect(),
    }
}

/// Compares with what is served of a version that is there, and closes what was open.
pub async fn settle(client: &Client, name: &str, version: &Version, kept: &mut Kept) {
    let selector = VersionSelector::Exact(version.clone());
    let page = client.evidence(&id(name), &selector, None, Some(PAGE)).await;
    let page = page.unwrap_or_else(|e| panic!("the test results of {name}@{version} cannot be read: {e}"));
    let found: Vec<String> = page.items.into_iter().map(|result| result.execution_id).collect();
    let there: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(
        there.len(),
        found.len(),
        "{name}@{version}: a result is there twice"
    );
    let mut all = kept.executions.clone();
    all.extend(kept.floating_executions.drain(..));
    assert!(
        there == kept.executions || there == all,
        "{name}@{version} has the results of {there:?}, and acknowledged were {:?}",
        kept.executions
    );
    kept.executions = there;
}

/// Looks what became of the results of a version that is still in the trash, though somebody asked without an answer to
/// forget it: they go first, and all of them at once.
pub fn settle_forgetting(store: &Path, name: &str, version: &Version, executions: &mut BTreeSet<String>) {
    let file = prompt_dir(name).join(format!(".evidence-{version}.jsonl"));
    if !store.join(file).exists() {
        executions.clear();
    }
}
