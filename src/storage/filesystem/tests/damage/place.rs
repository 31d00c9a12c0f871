//! Where damage happens, and the store that it happens to.

use std::path::{Path, PathBuf};

use super::action::{Action, Impossible, ON_DIRECTORIES, ON_FILES};
use super::*;

/// A place in the store of these tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Location {
    Lowest,
    /// The one in between, at which a label points.
    Labelled,
    Latest,
    Manifest,
    /// The test results of the one that carries the label.
    Evidence,
    Index,
    Metadata,
    Trashed,
    TrashNote,
    Leftover,
    Lock,
    PromptDir,
    ShardDir,
    TmpDir,
    Quarantine,
    TrashDir,
    TrashOfShard,
}

impl Location {
    pub(super) const ALL: [Self; 17] = [
        Self::Lowest,
        Self::Labelled,
        Self::Latest,
        Self::Manifest,
        Self::Evidence,
        Self::Index,
        Self::Metadata,
        Self::Trashed,
        Self::TrashNote,
        Self::Leftover,
        Self::Lock,
        Self::PromptDir,
        Self::ShardDir,
        Self::TmpDir,
        Self::Quarantine,
        Self::TrashDir,
        Self::TrashOfShard,
    ];

    /// The place, what stands beside it, and the name of a copy.
    fn paths(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Lowest => ("14/p/1.0.0.json", "14/p/1.0.1.json", "14/p/1.5.0.json"),
            Self::Labelled => ("14/p/1.0.1.json", "14/p/1.0.0.json", "14/p/1.5.0.json"),
            Self::Latest => ("14/p/1.0.2.json", "14/p/1.0.0.json", "14/p/1.5.0.json"),
            Self::Manifest => ("14/p/.manifest.json", "14/p/1.0.0.json", "14/p/manifest.json"),
            Self::Evidence => (
                "14/p/.evidence-1.0.1.jsonl",
                "14/p/.evidence-1.0.0.jsonl",
                "14/p/.evidence-1.5.0.jsonl",
            ),
            Self::Index => (".index.json", ".metadata.json", "index.json"),
            Self::Metadata => (".metadata.json", ".index.json", "metadata.json"),
            Self::Trashed => (
                ".trash/14/p@1.0.3.json",
                ".trash/14/p@1.0.3.deleted",
                ".trash/14/p@1.7.0.json",
            ),
            Self::TrashNote => (
                ".trash/14/p@1.0.3.deleted",
                ".trash/14/p@1.0.3.json",
                ".trash/14/p@1.7.0.deleted",
            ),
            Self::Leftover => ("14/.tmp/old-1.tmp", "14/p/1.0.0.json", "14/.tmp/old-2.tmp"),
            Self::Lock => (".lock", ".index.json", "lock"),
            Self::PromptDir => ("14/p", "14/p-beside", ""),
            Self::ShardDir => ("14", "d9", ""),
            Self::TmpDir => ("14/.tmp", "14/p", ""),
            Self::Quarantine => ("14/.tmp/quarantine", "14/p", ""),
            Self::TrashDir => (".trash", "14", ""),
            Self::TrashOfShard => (".trash/14", "14/p", ""),
        }
    }

    pub(super) fn actions(self) -> &'static [Action] {
        match self {
            Self::PromptDir
            | Self::ShardDir
            | Self::TmpDir
            | Self::Quarantine
            | Self::TrashDir
            | Self::TrashOfShard => &ON_DIRECTORIES,
            _ => &ON_FILES,
        }
    }

    pub(super) fn damage(self, action: Action, root: &Path, outside: &Path) -> Result<(), Impossible> {
        let (target, mut beside, copy) = self.paths();
        let other = neighbour(1);
        let beside_p = format!("14/{other}");
        if self == Self::PromptDir {
            beside = &beside_p;
        }
        let shard_of_other = shard_of(STRANGER);
        if self == Self::ShardDir {
            beside = &shard_of_other;
        }
        action.apply(&root.join(target), &root.join(beside), &root.join(copy), outside)
    }

    /// What stands here: of a file its content, of anything else what it is.
    pub(super) fn image(self, root: &Path) -> String {
        let path = root.join(self.paths().0);
        match std::fs::symlink_metadata(&path) {
            Err(_) => "absent".into(),
            Ok(found) if found.is_file() => format!("{:?}", std::fs::read(&path).ok()),
            Ok(found) if found.is_symlink() => format!("{:?}", std::fs::read_link(&path).unwrap()),
            Ok(found) => format!("{:?}", found.file_type()),
        }
    }
}

fn shard_of(prompt: &str) -> String {
    ShardDepth::DEFAULT.shard_of(&id(prompt)).to_string()
}

/// Makes a copy of a store that holds: `p` 1.0.0 to 1.0.2, one test result of 1.0.0 and two of 1.0.1, a label at 1.0.1, 1.0.3 in the trash, something in `.tmp` and in
/// quarantine, a neighbour in the same shard and a stranger in another.
pub(super) async fn plant_store(root: &Path) {
    static TEMPLATE: tokio::sync::OnceCell<Store> = tokio::sync::OnceCell::const_new();
    let template = TEMPLATE.get_or_init(make_store).await;
    copy_tree(template.dir.path(), root);
}

async fn make_store() -> Store {
    let mut store = Store::quiet();
    store.options.use_index = true;
    let storage = store.open().await;
    for text in ["one", "two", "three", "deleted"] {
        put(&storage, "p", text).await.unwrap();
    }
    put(&storage, &neighbour(1), "beside").await.unwrap();
    put(&storage, STRANGER, "elsewhere").await.unwrap();
    for (number, execution) in [("1.0.0", "a"), ("1.0.1", "a"), ("1.0.1", "b")] {
        let results = measured(execution);
        let added = storage.add_evidence(&id("p"), &version(number), &results).await;
        assert_eq!(added.unwrap().added, 1);
    }
    let label = SetLabel {
        label: Label::new("production").unwrap(),
        version: version("1.0.1"),
        expected: None,
        author: Author::daemon(),
    };
    storage.set_label(&id("p"), label).await.unwrap();
    storage
        .delete(&id("p"), &[version("1.0.3")], false, &Author::daemon())
        .await
        .unwrap();
    storage.close().await;
    let tmp = store.dir.path().join("14/.tmp");
    std::fs::create_dir(tmp.join("quarantine")).unwrap();
    std::fs::write(tmp.join("old-1.tmp"), sealed("p", "1.0.0", "contradicts")).unwrap();
    store
}

fn copy_tree(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
