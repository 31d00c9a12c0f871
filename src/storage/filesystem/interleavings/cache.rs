//! The cache: a load that is on its way must not bring back what was dropped meanwhile.

use shuttle_tokio::spawn;

use super::*;

fn drop_from_cache(world: &World) {
    world.disk.lingering.store(60, Ordering::Relaxed);
    world.storage.shared.cache.remove_where(|_| true);
}

async fn a_number_is_used_anew() {
    let world = World::new(|_| {});
    let number = world.put("p", "old").await.unwrap();
    drop_from_cache(&world);
    let readers = [true, false].map(|alone| {
        let (world, number) = (Arc::clone(&world), number.clone());
        spawn(async move {
            if alone {
                drop(world.text("p", &number).await);
            } else {
                drop(world.storage.read_many(&id("p"), &[number]).await);
            }
        })
    });
    let (purging, purged) = (Arc::clone(&world), number.clone());
    let purge = spawn(async move {
        purging.storage.purge(&id("p"), true).await.unwrap();
        let gone = purging.text("p", &purged).await;
        assert_eq!(gone.unwrap_err().code(), "not-found");
        assert_eq!(purging.put("p", "new").await.unwrap(), purged);
        assert_eq!(purging.text("p", &purged).await.unwrap(), "new");
    });
    purge.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(world.text("p", &number).await.unwrap(), "new");
    world.storage.close().await;
}

#[test]
fn a_purged_version_is_never_served_in_place_of_the_new_one() {
    check("a purge and loads", 240, a_number_is_used_anew);
}

fn edited(world: &World) -> (PathBuf, String) {
    let path = world.path("p", "1.0.0.json");
    #[expect(clippy::disallowed_methods, reason = "somebody else edits")]
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text.replace("before", "behind!"))
}

/// Edits the file of the version as editors do that save a whole file in its place.
fn save_over(world: &World) {
    let (path, text) = edited(world);
    let other = path.with_extension("tmp");
    #[expect(clippy::disallowed_methods, reason = "somebody else edits")]
    std::fs::write(&other, text).unwrap();
    #[expect(clippy::disallowed_methods, reason = "somebody else edits")]
    std::fs::rename(&other, &path).unwrap();
}

/// Lets the shard look at the file, as the watcher does when it hears of it.
async fn look(world: &World) {
    let look = work::Look::file(id("p"), "1.0.0.json".into());
    let looked = world.shard.look_and_wait(look, Duration::from_secs(3600));
    looked.await.unwrap();
}

async fn a_file_is_edited() {
    let world = World::new(|_| {});
    let number = world.put("p", "before").await.unwrap();
    drop_from_cache(&world);
    let readers = [true, false].map(|alone| {
        let (world, number) = (Arc::clone(&world), number.clone());
        spawn(async move {
            if alone {
                drop(world.text("p", &number).await);
            } else {
                drop(world.storage.read_many(&id("p"), &[number]).await);
            }
        })
    });
    let editing = Arc::clone(&world);
    let edit = spawn(async move {
        save_over(&editing);
        look(&editing).await;
    });
    edit.await.unwrap();
    assert_eq!(world.text("p", &number).await.unwrap(), "behind!");
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(world.text("p", &number).await.unwrap(), "behind!");
    world.storage.close().await;
}

#[test]
fn an_edited_version_is_served_as_it_is_once_it_was_looked_at() {
    check("an edit and loads", 240, a_file_is_edited);
}

async fn a_version_is_deleted() {
    let world = World::new(|_| {});
    let number = world.put("p", "old").await.unwrap();
    drop_from_cache(&world);
    let (reading, read) = (Arc::clone(&world), number.clone());
    let reader = spawn(async move { drop(reading.text("p", &read).await) });
    let author = crate::model::Author::daemon();
    let versions = std::slice::from_ref(&number);
    world
        .storage
        .delete(&id("p"), versions, false, &author)
        .await
        .unwrap();
    assert!(
        world.text("p", &number).await.is_err(),
        "served after its deletion"
    );
    reader.await.unwrap();
    assert!(
        world.text("p", &number).await.is_err(),
        "served after its deletion"
    );
    world.storage.restore(&id("p"), &number, &author).await.unwrap();
    assert_eq!(world.text("p", &number).await.unwrap(), "old");
    world.storage.close().await;
}

#[test]
fn a_deleted_version_is_never_served_after_the_answer() {
    check("a deletion and a load", 160, a_version_is_deleted);
}

async fn a_reader_is_there_before_the_look() {
    let world = World::new(|_| {});
    let number = world.put("p", "before").await.unwrap();
    drop_from_cache(&world);
    let (slow, read) = (Arc::clone(&world), number.clone());
    let history = spawn(async move { drop(slow.storage.read_many(&id("p"), &[read]).await) });
    world.moment().await;
    save_over(&world);
    // What is cached now is what the file holds, so that the look has nothing to say against it.
    drop(world.text("p", &number).await);
    look(&world).await;
    history.await.unwrap();
    assert_eq!(world.text("p", &number).await.unwrap(), "behind!");
    world.storage.close().await;
}

#[test]
fn a_history_read_before_an_edit_never_takes_the_place_of_what_was_read_after_it() {
    check(
        "an edit between two readers",
        240,
        a_reader_is_there_before_the_look,
    );
}

async fn a_checkout() {
    let world = World::new(|_| {});
    let number = world.put("p", "before").await.unwrap();
    drop_from_cache(&world);
    let readers = [true, false].map(|alone| {
        let (world, number) = (Arc::clone(&world), number.clone());
        spawn(async move {
            world.moment().await;
            if alone {
                drop(world.text("p", &number).await);
            } else {
                drop(world.storage.read_many(&id("p"), &[number]).await);
            }
        })
    });
    let putting = Arc::clone(&world);
    let put = spawn(async move {
        putting.moment().await;
        putting.put("p", "beside").await.unwrap()
    });
    let (path, text) = edited(&world);
    world.moment().await;
    #[expect(clippy::disallowed_methods, reason = "somebody else checks out")]
    std::fs::remove_file(&path).unwrap();
    world.moment().await;
    #[expect(clippy::disallowed_methods, reason = "somebody else checks out")]
    std::fs::write(&path, text).unwrap();
    look(&world).await;
    assert_eq!(world.text("p", &number).await.unwrap(), "behind!");
    let beside = put.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(world.text("p", &number).await.unwrap(), "behind!");
    assert_eq!(world.text("p", &beside).await.unwrap(), "beside");
    let entry = world.storage.prompt(&id("p")).unwrap();
    assert_eq!(entry.versions, [number, beside]);
    world.storage.close().await;
}

#[test]
fn a_file_that_was_away_during_a_put_is_served_as_it_came_back_whoever_read_it() {
    check("a checkout, a put and loads", 240, a_checkout);
}
