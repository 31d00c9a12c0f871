//! A daemon that is killed in the middle of an optimisation asks nothing twice.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use promptd::http::wire::{JobState, JobView};
use serde_json::{Value, json};

use super::jobs::{WORDY, host_of, workflow};
use crate::harness::model_server::{Asked, ModelServer, Reply};
use crate::harness::{Daemon, Host, eventually};

const PROMPTS: usize = 12;
/// Calls at one time.
const AT_ONCE: usize = 2;

fn answer() -> Reply {
    Reply::Rewrites("Answer § to help, because the user waits.".into())
}

async fn submit(daemon: &Daemon) -> JobView {
    let texts: Vec<String> = (0..PROMPTS)
        .map(|number| format!("{WORDY} It is number {number}."))
        .collect();
    let params = json!({"name": "bot.yml", "content": workflow(&texts), "strategies": ["llm_efficiency", "efficiency_focus"],
        "min_baseline_score": 100, "min_improvement": 1, "max_iterations": 2});
    let params = params.as_object().unwrap().clone();
    daemon.client().submit_job("optimize", params).await.unwrap()
}

fn host_at_pace(server: &ModelServer) -> Host {
    host_of(server, &[("MAX_CONCURRENT_CALLS", &AT_ONCE.to_string())])
}

/// Returns how many answers are kept, without those that are being written.
fn kept(host: &Host) -> usize {
    let entries = std::fs::read_dir(host.path().join("llm/answers"))
        .into_iter()
        .flatten();
    entries
        .filter(|entry| entry.as_ref().unwrap().path().extension() == Some("json".as_ref()))
        .count()
}

/// How often each request came in.
fn times(asked: &[Asked]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for one in asked {
        *times.entry(one.body.to_string()).or_default() += 1;
    }
    times
}

/// What came of a job, without what no two jobs have in common.
fn outcome(job: &JobView) -> Value {
    assert_eq!(job.state, JobState::Succeeded, "{job:?}");
    let mut result = job.result.clone().unwrap();
    // What was set aside for calls that were cut off counts as spent.
    result["model"]["tokens"] = Value::Null;
    result
}

#[tokio::test]
async fn a_job_that_is_killed_ends_as_if_it_had_not_been_and_asks_nothing_twice() {
    let whole = {
        let server = ModelServer::on_loopback(|_, _| answer()).await;
        let host = host_at_pace(&server);
        let daemon = host.start().await;
        let job = submit(&daemon).await;
        outcome(&daemon.client().wait_for_job(&job.job_id, |_| {}).await.unwrap())
    };
    for before in [0, 1, 5, PROMPTS - 1] {
        let script = move |number, _: &Asked| {
            if number < before {
                answer()
            } else {
                Reply::Waits(Box::new(answer()))
            }
        };
        let server = ModelServer::on_loopback(script).await;
        let host = host_at_pace(&server);
        let daemon = host.start().await;
        let job = submit(&daemon).await;
        eventually("calls that wait, and all others kept", async || {
            server.asked().len() == before + AT_ONCE && kept(&host) == before
        })
        .await;
        daemon.kill();
        let in_the_middle = times(&server.asked()[before..]);
        server.release();
        let daemon = host.start().await;
        let ended = daemon.client().wait_for_job(&job.job_id, |_| {}).await.unwrap();
        assert_eq!(outcome(&ended), whole, "killed after {before} answers");
        for (body, count) in times(&server.asked()) {
            let allowed = 1 + in_the_middle.get(&body).copied().unwrap_or(0);
            assert!(
                count <= allowed,
                "killed after {before} answers, asked {count} times: {body}"
            );
        }
        // What the daemon was killed over may have been paid for: it counts with its worst case.
        let spent = ended.result.unwrap()["model"]["tokens"].as_u64().unwrap();
        let calls = server.asked().len() as u64;
        assert!(
            spent > (calls - AT_ONCE as u64) * 100 + AT_ONCE as u64 * 4_096,
            "{spent} tokens in {calls} calls"
        );
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_model_and_the_job_goes_on_at_the_next_start() {
    let server = ModelServer::on_loopback(|_, _| Reply::Waits(Box::new(answer()))).await;
    let host = host_at_pace(&server);
    let daemon = host.start().await;
    let job = submit(&daemon).await;
    eventually("calls that wait", async || server.asked().len() == AT_ONCE).await;
    let began = std::time::Instant::now();
    assert!(daemon.stop().success());
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    server.release();
    let daemon = host.start().await;
    let ended = daemon.client().wait_for_job(&job.job_id, |_| {}).await.unwrap();
    assert_eq!(ended.state, JobState::Succeeded, "{ended:?}");
    assert!(Path::new(&host.path().join("llm/spending.json")).exists());
}
