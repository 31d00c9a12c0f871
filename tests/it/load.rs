//! Many clients, and a daemon that is killed under them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use promptd::client::{Client, ClientError};
use promptd::model::{Integrity, Version, VersionSelector};
use promptd::versions::NewVersion;

use crate::harness::{Host, id};

/// Clients at the same time.
const CLIENTS: usize = 64;
/// How often the daemon is killed.
const KILLS: u32 = 5;

/// What one client was told is stored.
type Acknowledged = Vec<(String, Version, String)>;

/// Seconds of load; the fault suite sets more.
fn seconds() -> u64 {
    std::env::var("PROMPTD_LOAD_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(6)
}

async fn put_until(stop: Arc<AtomicBool>, client: Client, number: usize) -> Acknowledged {
    let mut acknowledged = Vec::new();
    let mut n = 0;
    while !stop.load(Ordering::Relaxed) {
        // Some prompts are shared by several clients, so that numbers are fought for.
        let prompt = format!("load_{}", (number + n) % 40);
        let text = format!("Client {number} writes text {n}.");
        n += 1;
        match client
            .create_version(&id(&prompt), &NewVersion::of_text(text.clone()))
            .await
        {
            Ok(stored) => acknowledged.push((prompt, stored.document.parse().unwrap().version, text)),
            Err(ClientError::Refused(problem)) => {
                assert!(
                    ["busy", "unavailable", "interrupted"].contains(&problem.code.as_str()),
                    "{problem:?}"
                );
            }
            // The daemon was killed; what it did with this put nobody knows.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_version_is_there_after_five_kills_under_load() {
    let host = Host::new();
    let mut daemon = host.start().await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|n| tokio::spawn(put_until(Arc::clone(&stop), daemon.client(), n)))
        .collect();
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_secs(seconds()) / (KILLS + 1)).await;
        daemon.kill();
        daemon = host.start().await;
    }
    tokio::time::sleep(Duration::from_secs(seconds()) / (KILLS + 1)).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged: BTreeMap<(String, Version), String> = BTreeMap::new();
    for client in clients {
        for (prompt, version, text) in client.await.unwrap() {
            let given_twice = acknowledged.insert((prompt.clone(), version.clone()), text);
            assert_eq!(given_twice, None, "{prompt}@{version} was given to two puts");
        }
    }
    assert!(
        acknowledged.len() > 100,
        "hardly anything was acknowledged: {}",
        acknowledged.len()
    );
    let client = daemon.client();
    for ((prompt, version), text) in &acknowledged {
        let found = client
            .version(&id(prompt), &VersionSelector::Exact(version.clone()))
            .await;
        let found = found.unwrap_or_else(|e| panic!("{prompt}@{version} was acknowledged and is lost: {e}"));
        assert_eq!(&found.parse().unwrap().prompt.text, text);
        assert_eq!(found.integrity, Some(Integrity::Sealed));
    }
    println!(
        "{} acknowledged versions, all intact after {KILLS} kills",
        acknowledged.len()
    );
    assert!(daemon.stop().success());
}
