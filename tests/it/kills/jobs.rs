//! Jobs that are submitted while the daemon is killed: one that was acknowledged is done after the restart.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use promptd::client::Client;
use promptd::http::wire::JobState;
use promptd::model::Integrity;
use serde_json::{Map, Value, json};

use super::check::check_live;
use super::log::{Outcome, outcome};
use crate::harness::{Dice, version};

/// Whether backups are made while the daemon is killed.
const WITH_BACKUPS: bool = false;

/// Submits jobs and remembers which were accepted.
pub struct Submitter {
    pub dice: Dice,
    /// Where backups go.
    pub target: PathBuf,
    /// Jobs that were acknowledged and have not been seen to be done, with the texts that an import brings.
    pub accepted: BTreeMap<String, Vec<String>>,
    /// Counts texts and backups.
    pub count: usize,
}

impl Submitter {
    /// Works until the daemon is killed.
    pub async fn work(mut self, client: Client) -> Self {
        while client.health().await.is_ok() {
            let (kind, params, texts) = self.job();
            if let Outcome::Done(job) = outcome(client.submit_job(kind, params).await, &[]) {
                self.accepted.insert(job.job_id, texts);
            }
            tokio::time::sleep(self.dice.time(Duration::from_millis(60))).await;
        }
        self
    }

    fn job(&mut self) -> (&'static str, Map<String, Value>, Vec<String>) {
        self.count += 1;
        let text = format!("Import number {} says hello to {{{{name}}}}.", self.count);
        let (kind, params) = match self.dice.below(6) {
            0 => ("verify", json!({})),
            1 => ("rebuild_index", json!({})),
            2 if WITH_BACKUPS => (
                "backup",
                json!({"target": self.target.join(self.count.to_string())}),
            ),
            _ => {
                let content = format!(
                    "app: {{mode: completion, name: greeter}}\nkind: app\nversion: '0.3.0'\n\
                     model_config: {{pre_prompt: '{text}'}}\n"
                );
                let name = format!("import_{}.yml", self.count % 5);
                ("import", json!({"name": name, "content": content}))
            }
        };
        let Value::Object(params) = params else {
            panic!("parameters are an object")
        };
        let texts = if kind == "import" { vec![text] } else { Vec::new() };
        (kind, params, texts)
    }

    /// Waits for every job that was acknowledged, and looks at what it made. Returns how many there were.
    pub async fn settle(&mut self, client: &Client) -> usize {
        let accepted = std::mem::take(&mut self.accepted);
        for (job, texts) in &accepted {
            let done = client.wait_for_job(job, |_| {}).await;
            let done = done.unwrap_or_else(|e| panic!("{job} was acknowledged and is lost: {e}"));
            assert_eq!(done.state, JobState::Succeeded, "{done:?}");
            let made = done
                .result
                .as_ref()
                .and_then(|result| result["versions"].as_array());
            for (stored, text) in made.into_iter().flatten().zip(texts) {
                let number = version(stored["version"].as_str().unwrap());
                let prompt = stored["prompt_id"].as_str().unwrap();
                check_live(client, prompt, &number, text, Integrity::Sealed).await;
            }
        }
        accepted.len()
    }
}
