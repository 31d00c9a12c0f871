//! Another program that changes files of the store while the daemon serves.

use std::path::{Path, PathBuf};
use std::time::Duration;

use promptd::client::Client;
use promptd::model::{Bump, Integrity, Version};
use promptd::versions::NewVersion;

use super::log::{Floating, Outcome, Place, PromptLog, outcome};
use crate::harness::{Dice, by_hand, id, prompt_dir};

/// Changes files by hand, in prompts that nobody else changes; and through the daemon as well.
pub struct Other {
    pub dice: Dice,
    pub store: PathBuf,
    pub prompts: Vec<PromptLog>,
    pub texts: usize,
    /// How often it dropped, edited or removed a file.
    pub changes: usize,
}

impl Other {
    pub fn new(dice: Dice, store: PathBuf) -> Self {
        let prompts = (0..2).map(|n| PromptLog::new(format!("other_{n}")));
        Self {
            dice,
            store,
            prompts: prompts.collect(),
            texts: 0,
            changes: 0,
        }
    }

    /// Works until the daemon is killed.
    pub async fn work(mut self, client: Client) -> Self {
        while client.health().await.is_ok() {
            let which = self.dice.below(self.prompts.len());
            if !self.prompts[which].is_open {
                let mut prompt = std::mem::take(&mut self.prompts[which]);
                match self.dice.below(6) {
                    0..3 => self.create(&client, &mut prompt).await,
                    3 => self.drop_in(&mut prompt),
                    4 => self.edit(&mut prompt),
                    _ => self.remove(&mut prompt),
                }
                self.prompts[which] = prompt;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self
    }

    fn text(&mut self) -> String {
        self.texts += 1;
        format!("Another program writes text {}.", self.texts)
    }

    fn dir(&self, prompt: &PromptLog) -> PathBuf {
        self.store.join(prompt_dir(&prompt.name))
    }

    async fn create(&mut self, client: &Client, prompt: &mut PromptLog) {
        let text = self.text();
        let new = NewVersion::of_text(text.clone());
        match outcome(client.create_version(&id(&prompt.name), &new).await, &[]) {
            Outcome::Done(stored) => {
                let version = stored.document.parse().unwrap().version;
                prompt.stored(version, text, Integrity::Sealed);
            }
            Outcome::Unknown => {
                prompt.floating.push(Floating { version: None, text });
                prompt.is_open = true;
            }
            Outcome::Nothing => {}
        }
    }

    /// Drops a valid file under a number that is free.
    fn drop_in(&mut self, prompt: &mut PromptLog) {
        let highest = prompt.versions.keys().last().cloned().unwrap_or(Version::FIRST);
        let version = highest.bumped(Bump::Minor).unwrap();
        let text = self.text();
        let (dir, bytes) = (self.dir(prompt), by_hand(&prompt.name, &version, &text));
        std::fs::create_dir_all(&dir).unwrap();
        self.save(&dir.join(format!("{version}.json")), &bytes);
        prompt.stored(version, text, Integrity::Unsealed);
        self.changes += 1;
    }

    fn edit(&mut self, prompt: &mut PromptLog) {
        let Some(version) = self.dice.one_of(&prompt.surely(Place::Live)) else {
            return;
        };
        let text = self.text();
        let file = self.dir(prompt).join(format!("{version}.json"));
        let kept = prompt.versions.get_mut(&version).unwrap();
        let before = std::fs::read_to_string(&file).unwrap();
        let edited = before.replace(&kept.text, &text);
        assert_ne!(before, edited);
        kept.text = text;
        kept.is_fresh = true;
        if kept.integrity == Integrity::Sealed {
            kept.integrity = Integrity::Edited;
        }
        self.save(&file, edited.as_bytes());
        self.changes += 1;
    }

    /// Removes a file. Who does this by hand takes the number back as well, unless the daemon saw it in time.
    fn remove(&mut self, prompt: &mut PromptLog) {
        let Some(version) = self.dice.one_of(&prompt.surely(Place::Live)) else {
            return;
        };
        std::fs::remove_file(self.dir(prompt).join(format!("{version}.json"))).unwrap();
        prompt.versions.remove(&version);
        self.changes += 1;
    }

    /// Saves in place, or beside and by a rename as rsync does.
    fn save(&mut self, file: &Path, bytes: &[u8]) {
        if self.dice.below(2) == 0 {
            return std::fs::write(file, bytes).unwrap();
        }
        let name = file.file_name().unwrap().to_str().unwrap();
        let beside = file.with_file_name(format!(".{name}.Xa4Bc2"));
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(&beside, file).unwrap();
    }
}
