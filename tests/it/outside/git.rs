//! A store that is kept in git.

use std::path::Path;
use std::process::Command;

use promptd::model::Version;

use super::world::{World, prompt};
use crate::harness::by_hand;

/// What belongs to the daemon and not into a repository; docs/operations.md has the same lines.
const IGNORED: &str = ".tmp/\n.trash/\n.jobs/\n.index.json*\n.lock\n";

fn git(store: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.current_dir(store)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", store.parent().unwrap())
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(arguments);
    let output = git.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// Makes the files of another branch: some texts differ, some versions are more, some prompts are gone.
fn make_branch(world: &World) {
    for n in 0..12 {
        let dir = world.dir(&prompt(n));
        if n % 4 == 0 {
            for patch in 0..4 {
                std::fs::remove_file(dir.join(format!("1.0.{patch}.json"))).unwrap();
            }
            continue;
        }
        for (version, text) in [("1.0.1", "on a branch"), ("0.9.0", "only on a branch")] {
            let version = Version::new(version).unwrap();
            let bytes = by_hand(&prompt(n), &version, text);
            std::fs::write(dir.join(format!("{version}.json")), bytes).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_of_another_branch_is_served_and_loses_no_write() {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("SKIPPED: git is not here");
        return;
    }
    let mut world = World::begin(&[]).await;
    let store = world.store();
    world.settle("at first", |_| false).await;
    std::fs::write(store.join(".gitignore"), IGNORED).unwrap();
    git(&store, &["init", "-q", "-b", "main"]);
    // Only what was there before the clients wrote: their versions are none of git's business.
    git(
        &store,
        &["add", "*/*/1.0.[0-3].json", ".gitignore", ".metadata.json"],
    );
    git(&store, &["commit", "-q", "-m", "main"]);
    git(&store, &["checkout", "-q", "-b", "branch"]);
    make_branch(&world);
    git(&store, &["add", "-u"]);
    git(&store, &["add", "*/*/0.9.0.json"]);
    git(&store, &["commit", "-q", "-m", "branch"]);
    world.settle("git commit", |_| false).await;
    for branch in ["main", "branch", "main"] {
        git(&store, &["checkout", "-q", branch]);
        world.settle(&format!("git checkout {branch}"), |_| false).await;
    }
    world.end().await;
}
