//! Jobs that are submitted while the daemon is killed: one that was acknowledged is done after the restart.

use std::collections::BTreeMap;
use std::time::Duration;

use promptd::client::Client;
use promptd::http::wire::JobState;
use promptd::model::Integrity;
use serde_json::{Map, Value, json};

use super::check::check_live;
use super::log::{Outcome, Told, outcome};
use crate::harness::{Dice, version};

/// Where backups go, beneath the directory for them.
const TARGET: &str = "kills";

/// A job that was acknowledged and has not been seen to be done.
#[derive(Debug)]
pub struct Accepted {
    /// The texts that an import brings.
    texts: Vec<String>,
    /// How much had been acknowledged when a backup was asked for.
    told: Option<usize>,
}

/// A backup that is complete.
#[derive(Debug)]
pub struct Backup {
    /// Where it is.
    pub path: String,
    /// How much had been acknowledged before it began.
    pub told: usize,
}

/// Submits jobs and remembers which were accepted.
pub struct Submitter {
    pub dice: Dice,
    /// What the other clients were told.
    pub told: Told,
    /// Jobs that were acknowledged and have not been seen to be done.
    pub accepted: BTreeMap<String, Accepted>,
    /// The backup that was begun last.
    pub newest: Option<Backup>,
    /// Counts backups.
    pub backups: usize,
    /// Counts texts.
    pub count: usize,
}

impl Submitter {
    pub fn new(dice: Dice, told: Told) -> Self {
        Self {
            dice,
            told,
            accepted: BTreeMap::new(),
            newest: None,
            backups: 0,
            count: 0,
        }
    }

    /// Works until the daemon is killed.
    pub async fn work(mut self, client: Client) -> Self {
        while client.health().await.is_ok() {
            let (kind, params, accepted) = self.job();
            if let Outcome::Done(job) = outcome(client.submit_job(kind, params).await, &[]) {
                self.accepted.insert(job.job_id, accepted);
            }
            tokio::time::sleep(self.dice.time(Duration::from_millis(60))).await;
        }
        self
    }

    fn job(&mut self) -> (&'static str, Map<String, Value>, Accepted) {
        self.count += 1;
        let mut accepted = Accepted {
            texts: Vec::new(),
            told: None,
        };
        // One backup after the other, so that the last one is the newest.
        let may_back_up = self.accepted.values().all(|job| job.told.is_none());
        let (kind, params) = match self.dice.below(12) {
            0 => ("verify", json!({})),
            1 => ("rebuild_index", json!({})),
            2 | 3 if may_back_up => {
                accepted.told = Some(self.told.lock().unwrap().len());
                ("backup", json!({"target": TARGET}))
            }
            _ => {
                let text = format!("Import number {} says hello to {{{{name}}}}.", self.count);
                let content = format!(
                    "app: {{mode: completion, name: greeter}}\nkind: app\nversion: '0.3.0'\n\
                     model_config: {{pre_prompt: '{text}'}}\n"
                );
                let name = format!("import_{}.yml", self.count % 5);
                accepted.texts.push(text);
                ("import", json!({"name": name, "content": content}))
            }
        };
        let Value::Object(params) = params else {
            panic!("parameters are an object")
        };
        (kind, params, accepted)
    }

    /// Waits for every job that was acknowledged, and looks at what it made. Returns how many there were.
    pub async fn settle(&mut self, client: &Client) -> usize {
        let accepted = std::mem::take(&mut self.accepted);
        for (job, Accepted { texts, told }) in &accepted {
            let done = client.wait_for_job(job, |_| {}).await;
            let done = done.unwrap_or_else(|e| panic!("{job} was acknowledged and is lost: {e}"));
            // A job that the daemon died under three times is not begun again, and says so: it may be what kills it.
            let given_up = done
                .error
                .as_deref()
                .is_some_and(|e| e.starts_with("promptd ended 3 times"));
            if given_up {
                assert_eq!(done.state, JobState::Failed, "{done:?}");
                continue;
            }
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
            if let Some(told) = *told {
                let path = done.result.unwrap()["path"].as_str().unwrap().to_owned();
                self.newest = Some(Backup { path, told });
                self.backups += 1;
            }
        }
        accepted.len()
    }
}
