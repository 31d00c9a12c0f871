//! One client: asks for one change after another, and writes down what it was told.

use promptd::client::{Client, LabelGuard};
use promptd::model::{Integrity, Label, Version, VersionSelector};
use promptd::versions::NewVersion;

use super::evidence;
use super::log::{Floating, Outcome, Place, PromptLog, Told, outcome};
use crate::harness::{Dice, by_hand, id};

const LABELS: [&str; 3] = ["production", "staging", "canary"];

/// A client with prompts that nobody else changes.
pub struct Scribe {
    pub number: usize,
    pub dice: Dice,
    pub prompts: Vec<PromptLog>,
    /// What was stored in prompts that all clients share: prompt, number, text.
    pub shared: Vec<(String, Version, String)>,
    /// Texts sent to shared prompts without an answer.
    pub shared_floating: Vec<String>,
    /// Counts texts, so that each is sent once.
    pub texts: usize,
    /// Counts answers.
    pub acknowledged: usize,
    /// Counts acknowledged test results.
    pub results: usize,
    /// What all clients were told to be stored.
    told: Told,
}

impl Scribe {
    pub fn new(number: usize, dice: Dice, told: Told) -> Self {
        let prompts = (0..2).map(|n| PromptLog::new(format!("own_{number}_{n}")));
        Self {
            number,
            dice,
            prompts: prompts.collect(),
            shared: Vec::new(),
            shared_floating: Vec::new(),
            texts: 0,
            acknowledged: 0,
            results: 0,
            told,
        }
    }

    fn told(&self, prompt: &str, version: &Version, text: &str) {
        let fact = (prompt.to_owned(), version.clone(), text.to_owned());
        self.told.lock().unwrap().push(fact);
    }

    pub fn text(&mut self) -> String {
        self.texts += 1;
        format!("Scribe {} writes text {}.", self.number, self.texts)
    }

    /// Asks until a connection breaks: the daemon was killed.
    pub async fn work(mut self, client: Client) -> Self {
        while client.health().await.is_ok() {
            self.step(&client).await;
        }
        self
    }

    async fn step(&mut self, client: &Client) {
        if self.dice.below(5) == 0 {
            return self.put_into_shared(client).await;
        }
        let which = self.dice.below(self.prompts.len());
        if self.prompts[which].is_open {
            return;
        }
        // Taken out while it is worked on: a step needs the dice as well.
        let mut prompt = std::mem::take(&mut self.prompts[which]);
        let outcome = match self.dice.below(24) {
            0..8 => self.create(client, &mut prompt).await,
            8..10 => self.save(client, &mut prompt).await,
            10..13 => self.delete(client, &mut prompt).await,
            13..15 => self.restore_or_forget(client, &mut prompt).await,
            15..19 => self.label(client, &mut prompt).await,
            19..23 => self.measure(client, &mut prompt).await,
            _ if self.dice.below(4) == 0 => self.purge(client, &mut prompt).await,
            _ => Outcome::Nothing,
        };
        match outcome {
            Outcome::Done(()) => self.acknowledged += 1,
            Outcome::Unknown => prompt.is_open = true,
            Outcome::Nothing => {}
        }
        self.prompts[which] = prompt;
    }

    async fn put_into_shared(&mut self, client: &Client) {
        let (prompt, text) = (format!("shared_{}", self.dice.below(4)), self.text());
        let new = NewVersion::of_text(text.clone());
        match outcome(client.create_version(&id(&prompt), &new).await, &[]) {
            Outcome::Done(stored) => {
                self.acknowledged += 1;
                let version = stored.document.parse().unwrap().version;
                self.told(&prompt, &version, &text);
                self.shared.push((prompt, version, text));
            }
            Outcome::Unknown => self.shared_floating.push(text),
            Outcome::Nothing => {}
        }
    }

    async fn create(&mut self, client: &Client, prompt: &mut PromptLog) -> Outcome<()> {
        let text = self.text();
        let new = NewVersion::of_text(text.clone());
        match outcome(client.create_version(&id(&prompt.name), &new).await, &[]) {
            Outcome::Done(stored) => {
                let document = stored.document.parse().unwrap();
                assert_eq!(document.prompt.text, text);
                self.told(&prompt.name, &document.version, &text);
                prompt.stored(document.version, text, Integrity::Sealed);
                Outcome::Done(())
            }
            Outcome::Unknown => {
                prompt.floating.push(Floating { version: None, text });
                Outcome::Unknown
            }
            Outcome::Nothing => Outcome::Nothing,
        }
    }

    /// Saves a whole document under a number of its own, above all that are known.
    async fn save(&mut self, client: &Client, prompt: &mut PromptLog) -> Outcome<()> {
        let known = prompt.versions.keys().last().cloned().unwrap_or(Version::FIRST);
        let minor = known.bumped(promptd::model::Bump::Minor).unwrap();
        let (text, name) = (self.text(), &prompt.name);
        let document = by_hand(name, &minor, &text);
        let answer = client.put_version(&id(name), &minor, document, true).await;
        match outcome(answer.map(drop), &["version-conflict", "version-deleted"]) {
            Outcome::Done(()) => {
                self.told(&prompt.name, &minor, &text);
                prompt.stored(minor, text, Integrity::Sealed);
            }
            Outcome::Unknown => {
                let version = Some(minor);
                prompt.floating.push(Floating { version, text });
                return Outcome::Unknown;
            }
            Outcome::Nothing => return Outcome::Nothing,
        }
        Outcome::Done(())
    }

    async fn delete(&mut self, client: &Client, prompt: &mut PromptLog) -> Outcome<()> {
        let Some(version) = self.dice.one_of(&prompt.surely(Place::Live)) else {
            return Outcome::Nothing;
        };
        let answer = client.delete_version(&id(&prompt.name), &version, true).await;
        let outcome = outcome(answer, &[]);
        prompt.moved(&version, Place::Trashed, &outcome);
        prompt.unlabelled(&version, &outcome);
        outcome
    }

    async fn restore_or_forget(&mut self, client: &Client, prompt: &mut PromptLog) -> Outcome<()> {
        let Some(version) = self.dice.one_of(&prompt.surely(Place::Trashed)) else {
            return Outcome::Nothing;
        };
        let name = id(&prompt.name);
        let (outcome, to) = if self.dice.below(3) == 0 {
            let answer = client.forget(&name, &version).await;
            (outcome(answer, &[]), Place::Gone)
        } else {
            let answer = client.restore(&name, &version).await;
            (outcome(answer.map(drop), &[]), Place::Live)
        };
        prompt.moved(&version, to, &outcome);
        outcome
    }

    async fn label(&mut self, client: &Client, prompt: &mut PromptLog) -> Outcome<()> {
        let name = LABELS[self.dice.below(LABELS.len())];
        let (label, prompt_id) = (Label::new(name).unwrap(), id(&prompt.name));
        let is_set = prompt
            .labels
            .get(name)
            .is_some_and(|may_be| !may_be.contains(&None));
        let (outcome, to) = if is_set && self.dice.below(4) == 0 {
            let answer = client.remove_label(&prompt_id, &label, &LabelGuard::Anywhere);
            (outcome(answer.await, &[]), None)
        } else {
            let Some(version) = self.dice.one_of(&prompt.surely(Place::Live)) else {
                return Outcome::Nothing;
            };
            let to = VersionSelector::Exact(version.clone());
            let answer = client.set_label(&prompt_id, &label, &to, &LabelGuard::Anywhere);
            (outcome(answer.await.map(drop), &[]), Some(version))
        };
        prompt.labelled(name, to, &outcome);
        outcome
    }

    async fn measure(&mut self, client: &Client, prompt: &mut PromptLog) -> Outcome<()> {
        let Some(version) = self.dice.one_of(&prompt.surely(Place::Live)) else {
            return Outcome::Nothing;
        };
        let count = 1 + self.dice.below(3);
        let executions = (0..count).map(|_| {
            self.texts += 1;
            format!("run-{}-{}", self.number, self.texts)
        });
        let executions: Vec<String> = executions.collect();
        let outcome = evidence::add(client, prompt, &version, executions).await;
        if matches!(outcome, Outcome::Done(())) {
            self.results += count;
        }
        outcome
    }

    async fn purge(&mut self, client: &Client, prompt: &mut PromptLog) -> Outcome<()> {
        if prompt.surely(Place::Live).is_empty() {
            return Outcome::Nothing;
        }
        let answer = client.delete_prompt(&id(&prompt.name), true, true).await;
        let outcome = outcome(answer.map(drop), &[]);
        prompt.purged(&outcome);
        outcome
    }
}
