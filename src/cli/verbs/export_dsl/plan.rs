//! What is to be done with each prompt of a workflow. Pure.

use std::collections::HashSet;

use crate::cli::exit::{CliError, Exit};
use crate::dify::{ExtractedPrompt, PromptReplacement, Refusal, ReplacedPrompt};
use crate::model::{PromptId, PromptVersion, Version};

/// What is to be done, in the order of the document.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) places: Vec<Place>,
}

/// One prompt of the workflow.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) prompt_id: PromptId,
    /// What stands in the file.
    pub(super) prompt: ExtractedPrompt,
    /// The version whose text stands in the file.
    pub(super) from: Option<Version>,
    /// The version to put back.
    pub(super) to: Option<Version>,
    /// Its text.
    pub(super) text: String,
    pub(super) state: State,
    /// What was written, and what that does to the references.
    pub(super) done: Option<ReplacedPrompt>,
}

/// What becomes of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// There is no version to put back.
    NotStored,
    /// The file has the text already.
    Unchanged,
    /// The text is put back.
    Changed,
    /// The file has a text of no stored version.
    Conflict,
    /// The text cannot be put back.
    Refused(String),
}

impl State {
    /// Returns the state as one word.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::NotStored => "not-stored",
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Conflict => "conflict",
            Self::Refused(_) => "refused",
        }
    }
}

impl Plan {
    /// Begins with the prompts of a document, or with those of them that are wanted.
    pub(super) fn new(
        ids: Vec<PromptId>,
        prompts: Vec<ExtractedPrompt>,
        wanted: &[PromptId],
    ) -> Result<Self, CliError> {
        let there: HashSet<&PromptId> = ids.iter().collect();
        if let Some(missing) = wanted.iter().find(|id| !there.contains(id)) {
            let message = format!("the workflow has no prompt {missing}");
            let hint = "'promptctl import dsl FILE --dry-run' lists the prompts of a workflow";
            return Err(CliError::new(Exit::NotFound, message).hint(hint));
        }
        let places = ids
            .into_iter()
            .zip(prompts)
            .filter(|(id, _)| wanted.is_empty() || wanted.contains(id))
            .map(|(prompt_id, prompt)| Place {
                prompt_id,
                prompt,
                from: None,
                to: None,
                text: String::new(),
                state: State::NotStored,
                done: None,
            });
        Ok(Self {
            places: places.collect(),
        })
    }

    /// Tells whether there is nothing to put back at all.
    pub(super) fn is_unknown(&self) -> bool {
        self.places.iter().all(|place| place.state == State::NotStored)
    }

    /// Takes texts of no stored version for replaceable, if that is wanted.
    pub(super) fn force(&mut self, is_wanted: bool) {
        let conflicts = self
            .places
            .iter_mut()
            .filter(|place| place.state == State::Conflict);
        conflicts
            .filter(|_| is_wanted)
            .for_each(|place| place.state = State::Changed);
    }

    /// Returns what is to be replaced.
    pub(super) fn replacements(&self) -> Vec<PromptReplacement> {
        let changed = self.places.iter().filter(|place| place.state == State::Changed);
        changed
            .map(|place| PromptReplacement {
                prompt_id: place.prompt_id.clone(),
                expected: place.prompt.text.clone(),
                text: place.text.clone(),
            })
            .collect()
    }

    /// Takes note of what came of the replacements.
    pub(super) fn settle(&mut self, outcome: Vec<Result<ReplacedPrompt, Refusal>>) {
        let changed = self
            .places
            .iter_mut()
            .filter(|place| place.state == State::Changed);
        for (place, outcome) in changed.zip(outcome) {
            match outcome {
                Ok(done) => place.done = Some(done),
                Err(refusal) => place.state = State::Refused(refusal.to_string()),
            }
        }
    }
}

impl Place {
    /// Says which version to put back. A template does not belong where plain text is read, nor the other way round.
    pub(super) fn set_version(&mut self, version: PromptVersion) {
        let kind = version.prompt.context.get("kind").and_then(|kind| kind.as_str());
        let was_jinja2 = kind.map(|kind| kind.ends_with("_jinja2"));
        let is_jinja2 = self.prompt.kind.is_jinja2();
        if was_jinja2.is_some_and(|was| was != is_jinja2) && self.state != State::Unchanged {
            let [stored, there] =
                [!is_jinja2, is_jinja2].map(|is| if is { "a Jinja2 template" } else { "basic text" });
            self.state = State::Refused(format!(
                "version {} is {stored}, the message in the file is {there}: switch its edition on the canvas first",
                version.version
            ));
        }
        self.to = Some(version.version);
        self.text = version.prompt.text;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dify::{ExtractOptions, extract, patch_prompts, prompt_ids};

    const DOCUMENT: &str = "graph: {nodes: [{id: n, data: {type: llm, prompt_template: [{role: user, text: A}, {role: user, text: B}, \
                            {role: user, edition_type: jinja2, jinja2_text: C}]}}]}\n";

    fn plan(wanted: &[&str]) -> Result<Plan, CliError> {
        let found = extract(DOCUMENT.as_bytes(), &ExtractOptions::default()).unwrap();
        let wanted: Vec<PromptId> = wanted.iter().map(|id| PromptId::new(id).unwrap()).collect();
        Plan::new(prompt_ids("w", &found.prompts), found.prompts, &wanted)
    }

    fn version(text: &str, kind: &str) -> PromptVersion {
        serde_json::from_value(serde_json::json!({
            "prompt_id": "w_n_user_0", "version": "1.2.0",
            "prompt": {"id": "w", "workflow_id": "", "node_id": "", "node_type": "", "text": text, "context": {"kind": kind}},
            "analysis": {"prompt_id": "w", "overall_score": 0.0, "clarity_score": 0.0, "efficiency_score": 0.0}
        }))
        .unwrap()
    }

    #[test]
    fn only_wanted_prompts_are_looked_at_and_unknown_ones_are_an_error() {
        assert_eq!(plan(&[]).unwrap().places.len(), 3);
        assert_eq!(plan(&["w_n_user_1"]).unwrap().places[0].prompt.text, "B");
        assert_eq!(plan(&["w_n_user_9"]).unwrap_err().exit, Exit::NotFound);
    }

    #[test]
    fn a_conflict_is_replaced_only_by_force() {
        let mut plan = plan(&[]).unwrap();
        assert!(plan.is_unknown());
        plan.places[1].state = State::Conflict;
        plan.places[1].set_version(version("new", "llm_message"));
        plan.force(false);
        assert!(plan.replacements().is_empty() && !plan.is_unknown());
        plan.force(true);
        let replacements = plan.replacements();
        assert_eq!((replacements.len(), replacements[0].expected.as_str()), (1, "B"));
        let options = ExtractOptions::default();
        let patch = patch_prompts(DOCUMENT.as_bytes(), "w", &replacements, &options).unwrap();
        plan.settle(patch.prompts);
        assert!(
            plan.places[1]
                .done
                .as_ref()
                .is_some_and(|done| done.place.is_changed)
        );
        plan.settle(vec![Err(Refusal::Alias { line: 3 })]);
        assert_eq!(plan.places[1].state.word(), "refused");
    }

    #[test]
    fn a_template_is_not_put_where_basic_text_is_read() {
        let mut plan = plan(&[]).unwrap();
        for (place, kind, is_refused) in [
            (0, "llm_message", false),
            (0, "llm_message_jinja2", true),
            (2, "llm_message", true),
            (2, "llm_message_jinja2", false),
        ] {
            plan.places[place].state = State::Changed;
            plan.places[place].set_version(version("new", kind));
            assert_eq!(
                matches!(plan.places[place].state, State::Refused(_)),
                is_refused,
                "{place} {kind}"
            );
        }
    }
}
