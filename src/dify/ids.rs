//! Names for prompts that survive editing on the canvas.
//!
//! An id is `WORKFLOW_NODE_FIELD_KEY`, for example `translation_1721117961155_system_0`. Nothing in it depends on where
//! the node stands in the list of nodes: NODE is the node id (the name of an agent package, or `app`), FIELD one word
//! for the field, and KEY the id of the message, the id of the class or the name of the parameter; a message without
//! an id is named by its position among the messages of its node.
//!
//! The last three parts never contain `_`, so different places give different ids.

use std::collections::{HashMap, HashSet};

use super::extraction::{ExtractedPrompt, Owner, Place, PlaceKey};
use super::slug::{MAX_WORKFLOW_LEN, hashed_part, is_workflow_slug, part, workflow_slug};
use crate::model::{MAX_PROMPT_ID_LEN, PromptId};

/// The longest node part.
const MAX_NODE_LEN: usize = 40;

/// What is left for field and key beside a workflow and a node of full length and three separators: a UUID still fits
/// behind the longest field whose items have ids of their own.
const MAX_PLACE_LEN: usize = MAX_PROMPT_ID_LEN - MAX_WORKFLOW_LEN - MAX_NODE_LEN - 3;

/// Returns an id for each prompt of one document, in the same order, no two alike.
///
/// `workflow` is what [`workflow_slug`] gave; any other text is made into one first.
///
/// An id depends on the workflow, the node id and the place inside the node only. Prompts of one document that agree
/// in all of these (nodes with the same id) get a hash of type, title and parent of their node instead of the plain
/// key; when these agree too, the order of the document decides.
#[must_use]
pub fn prompt_ids(workflow: &str, prompts: &[ExtractedPrompt]) -> Vec<PromptId> {
    let workflow = if is_workflow_slug(workflow) {
        workflow.to_owned()
    } else {
        workflow_slug(workflow, None)
    };
    let plain: Vec<String> = prompts
        .iter()
        .map(|prompt| join(&workflow, prompt, &key_part(&prompt.place)))
        .collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for id in &plain {
        *uses.entry(id).or_default() += 1;
    }
    let mut taken: HashSet<String> = uses
        .iter()
        .filter(|(_, count)| **count == 1)
        .map(|(id, _)| (*id).to_owned())
        .collect();
    let mut orders: HashMap<String, usize> = HashMap::new();
    plain
        .iter()
        .zip(prompts)
        .map(|(id, prompt)| match uses.get(id.as_str()) {
            Some(1) => checked(id),
            _ => checked(&disambiguated(&workflow, prompt, &mut taken, &mut orders)),
        })
        .collect()
}

/// Returns the first id that is free, counting on from the hash of the identity alone. `orders` keeps where the counting
/// for an identity stands, so thousands of twins cost no more than as many strangers.
fn disambiguated(
    workflow: &str,
    prompt: &ExtractedPrompt,
    taken: &mut HashSet<String>,
    orders: &mut HashMap<String, usize>,
) -> String {
    let order = orders.entry(identity(prompt, 0)).or_default();
    loop {
        let key = disambiguated_key(&prompt.place, &identity(prompt, *order));
        let id = join(workflow, prompt, &key);
        *order += 1;
        if taken.insert(id.clone()) {
            return id;
        }
    }
}

/// What tells two prompts at the same place apart, free of their texts and of list positions.
fn identity(prompt: &ExtractedPrompt, order: usize) -> String {
    let known = (
        &prompt.node_id,
        &prompt.node_type,
        &prompt.node_title,
        &prompt.parent_id,
        &prompt.place,
        order,
    );
    // Debug form quotes and escapes, so no two tuples print alike.
    format!("{known:?}")
}

fn join(workflow: &str, prompt: &ExtractedPrompt, key: &str) -> String {
    let node = match &prompt.place.owner {
        Owner::Node => part(prompt.node_id.as_deref().unwrap_or_default(), MAX_NODE_LEN),
        Owner::Package(name) => part(name, MAX_NODE_LEN),
        Owner::AppConfig => "app".to_owned(),
    };
    format!("{workflow}_{node}_{}_{key}", prompt.place.field)
}

fn key_part(place: &Place) -> String {
    match &place.key {
        PlaceKey::Name(name) => part(name, max_key_len(place)),
        PlaceKey::Index(index) => index.to_string(),
    }
}

fn disambiguated_key(place: &Place, identity: &str) -> String {
    match &place.key {
        PlaceKey::Name(name) => hashed_part(name, identity, max_key_len(place)),
        PlaceKey::Index(index) => hashed_part(&index.to_string(), identity, max_key_len(place)),
    }
}

const fn max_key_len(place: &Place) -> usize {
    MAX_PLACE_LEN.saturating_sub(place.field.len())
}

#[expect(
    clippy::expect_used,
    reason = "the parts are shorter than the limit together and use a part of its alphabet, which the tests try to refute"
)]
fn checked(id: &str) -> PromptId {
    PromptId::new(id).expect("an id made of safe parts is valid")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::dify::extraction::{Place, PromptKind};

    const FIELDS: [&str; 5] = ["system", "parameter", "assistant", "class", "instruction"];

    fn prompt(node: &str, title: &str, field: &'static str, key: PlaceKey) -> ExtractedPrompt {
        ExtractedPrompt {
            pointer: String::new(),
            kind: PromptKind::LlmMessage,
            role: None,
            text: "text".into(),
            references: vec![],
            special_references: vec![],
            variables: vec![],
            node_id: Some(node.into()),
            node_type: Some("llm".into()),
            node_title: Some(title.into()),
            parent_id: None,
            parameter: None,
            value_type: None,
            stale_text_pointer: None,
            model: None,
            place: Place {
                owner: Owner::Node,
                field,
                key,
            },
        }
    }

    fn check(prompt: ExtractedPrompt, expected: &str) {
        assert_eq!(prompt_ids("translation", &[prompt])[0].as_str(), expected);
    }

    #[test]
    fn ids_are_readable() {
        let name = |name: &str| PlaceKey::Name(name.into());
        let node = "1721117961155";
        check(
            prompt(node, "", "system", PlaceKey::Index(0)),
            "translation_1721117961155_system_0",
        );
        check(
            prompt(node, "", "parameter", name("order_number")),
            "translation_1721117961155_parameter_order.number",
        );
        check(
            prompt(node, "", "class", name("1715846546749")),
            "translation_1721117961155_class_1715846546749",
        );
        check(
            prompt("../../etc", "", "instruction", name("text")),
            "translation_etc-74ccf3c5b4_instruction_text",
        );
        let mut soul = prompt("", "", "soul", name("prompt"));
        soul.place.owner = Owner::Package("researcher".into());
        check(soul, "translation_researcher_soul_prompt");
        let mut pre = prompt("", "", "pre", name("prompt"));
        pre.place.owner = Owner::AppConfig;
        check(pre, "translation_app_pre_prompt");
    }

    #[test]
    fn nodes_with_the_same_id_are_told_apart_by_their_titles_in_any_order() {
        let one = prompt("dup", "one", "system", PlaceKey::Index(0));
        let two = prompt("dup", "two", "system", PlaceKey::Index(0));
        let forth = prompt_ids("w", &[one.clone(), two.clone()]);
        let back = prompt_ids("w", &[two, one.clone()]);
        assert_eq!((&forth[0], &forth[1]), (&back[1], &back[0]));
        assert_ne!(forth[0], forth[1]);
        let twins = prompt_ids("w", &[one.clone(), one]);
        assert_ne!(twins[0], twins[1]);
    }

    #[test]
    fn the_longest_parts_together_are_a_valid_id() {
        let uuid = "0d5b6c56-0001-4000-8000-000000000001".to_owned();
        let long = prompt(&"n".repeat(40), "", "assistant", PlaceKey::Name(uuid));
        let ids = prompt_ids(&"w".repeat(40), &[long]);
        assert_eq!(ids[0].as_str().len(), 128);
    }

    fn raw_name() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(String::new()),
            "[a-c_./ -]{0,4}",
            "[0-9]{1,13}",
            "\\PC{0,12}",
            any::<String>(),
            "[a-z_]{30,60}",
        ]
    }

    fn raw_prompt() -> impl Strategy<Value = ExtractedPrompt> {
        let key = prop_oneof![
            raw_name().prop_map(PlaceKey::Name),
            (0usize..3).prop_map(PlaceKey::Index),
        ];
        (raw_name(), raw_name(), 0usize..FIELDS.len(), key)
            .prop_map(|(node, title, field, key)| prompt(&node, &title, FIELDS[field], key))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_names_give_valid_ids_and_no_two_alike(
            workflow in raw_name(),
            prompts in prop::collection::vec(raw_prompt(), 0..24),
        ) {
            let twice: Vec<_> = prompts.iter().chain(&prompts).cloned().collect();
            let ids = prompt_ids(&workflow, &twice);
            prop_assert_eq!(ids.iter().collect::<HashSet<_>>().len(), twice.len());
            prop_assert_eq!(ids, prompt_ids(&workflow, &twice));
        }

        #[test]
        fn the_order_of_nodes_does_not_matter(
            (prompts, shuffled) in prop::collection::vec(raw_prompt(), 0..24)
                .prop_flat_map(|prompts| (Just(prompts.clone()), Just(prompts).prop_shuffle())),
        ) {
            let by_identity = |prompts: &[ExtractedPrompt]| {
                let mut found: BTreeMap<String, Vec<PromptId>> = BTreeMap::new();
                for (prompt, id) in prompts.iter().zip(prompt_ids("w", prompts)) {
                    found.entry(identity(prompt, 0)).or_default().push(id);
                }
                found.values_mut().for_each(|ids| ids.sort());
                found
            };
            prop_assert_eq!(by_identity(&prompts), by_identity(&shuffled));
        }

        #[test]
        fn different_places_never_share_an_id_across_workflows(
            one in (raw_name(), raw_prompt()),
            two in (raw_name(), raw_prompt()),
        ) {
            let id = |(stem, prompt): &(String, ExtractedPrompt)| {
                prompt_ids(&workflow_slug(stem, None), std::slice::from_ref(prompt)).remove(0)
            };
            let place = |(stem, prompt): &(String, ExtractedPrompt)| {
                let key = match &prompt.place.key {
                    PlaceKey::Index(index) => index.to_string(),
                    PlaceKey::Name(name) => name.clone(),
                };
                (stem.clone(), prompt.node_id.clone(), prompt.place.field, key)
            };
            prop_assert_eq!(id(&one) == id(&two), place(&one) == place(&two));
        }
    }
}
