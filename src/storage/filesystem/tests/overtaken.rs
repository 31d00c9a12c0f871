//! Files that changed outside while somebody read or wrote their prompt: what was known of them is not kept.

use super::recovery::sealed;
use super::*;

#[tokio::test]
async fn a_file_that_was_away_during_a_put_is_served_as_it_came_back() {
    let store = Store::quiet();
    let storage = store.open().await;
    put(&storage, "p", "as it was").await.unwrap();
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "as it was");
    // A checkout removes a file and writes another; a put comes in between and takes in the directory as it is then.
    std::fs::remove_file(store.path("p", "1.0.0.json")).unwrap();
    put(&storage, "p", "b").await.unwrap();
    assert_eq!(versions(&storage, "p"), ["1.0.1"]);
    std::fs::write(store.path("p", "1.0.0.json"), sealed("p", "1.0.0", "on a branch")).unwrap();
    put(&storage, "p", "c").await.unwrap();
    assert_eq!(versions(&storage, "p"), ["1.0.0", "1.0.1", "1.0.2"]);
    assert_eq!(text_of(&storage, "p", "1.0.0").await.unwrap(), "on a branch");
}

#[tokio::test]
async fn a_put_of_the_text_that_the_latest_no_longer_has_makes_a_version_whoever_read_it_before_the_look() {
    for (in_place, is_cached, look) in [
        (true, true, work::Look::file(id("p"), "1.0.0.json".into())),
        (false, true, work::Look::file(id("p"), "1.0.0.json".into())),
        (true, true, work::Look::everything()),
        (true, false, work::Look::everything()),
    ] {
        let store = Store::quiet();
        let storage = store.open().await;
        put(&storage, "p", "as it was").await.unwrap();
        let path = store.path("p", "1.0.0.json");
        let edited = sealed("p", "1.0.0", "as somebody wanted it");
        if in_place {
            std::fs::write(&path, edited).unwrap();
        } else {
            std::fs::write(path.with_extension("new"), edited).unwrap();
            std::fs::rename(path.with_extension("new"), &path).unwrap();
        }
        // The cache had no room for it, and somebody asked before the shard looked.
        storage.shared.cache.remove_where(|_| true);
        if is_cached {
            let text = text_of(&storage, "p", "1.0.0").await.unwrap();
            assert_eq!(text, "as somebody wanted it");
        }
        let shard = storage.shared.shard(&storage.shared.layout.shard_of(&id("p")));
        shard.look_and_wait(look, Duration::from_secs(60)).await.unwrap();
        let again = PutVersion {
            sameness: Sameness::Text,
            ..next("p", "as it was")
        };
        let made = storage.put(&id("p"), again).await.unwrap();
        assert!(
            matches!(made, PutOutcome::Created(_)),
            "in place {in_place}, cached {is_cached}: {made:?}"
        );
        assert_eq!(text_of(&storage, "p", "1.0.1").await.unwrap(), "as it was");
    }
}
