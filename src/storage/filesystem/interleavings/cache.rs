//! The cache: a load that is on its way must not bring back what was dropped meanwhile.

use shuttle_tokio::spawn;

use super::*;

async fn drop_from_cache(world: &World) {
    world.storage.shared.cache.remove_where(|_| true);
}

async fn a_number_is_used_anew() {
    let world = World::new(|_| {});
    let number = world.put("p", "old").await.unwrap();
    drop_from_cache(&world).await;
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

async fn a_file_is_edited() {
    let world = World::new(|_| {});
    let number = world.put("p", "before").await.unwrap();
    drop_from_cache(&world).await;
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
        let path = editing.path("p", "1.0.0.json");
        #[expect(clippy::disallowed_methods, reason = "somebody else edits")]
        let text = std::fs::read_to_string(&path).unwrap();
        let other = path.with_extension("tmp");
        #[expect(clippy::disallowed_methods, reason = "somebody else edits")]
        std::fs::write(&other, text.replace("before", "behind!")).unwrap();
        #[expect(clippy::disallowed_methods, reason = "somebody else edits")]
        std::fs::rename(&other, &path).unwrap();
        let look = work::Look::file(id("p"), "1.0.0.json".into());
        editing
            .shard
            .look_and_wait(look, Duration::from_secs(3600))
            .await
            .unwrap();
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
    drop_from_cache(&world).await;
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
