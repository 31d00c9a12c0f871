//! What of a workflow can be changed.

use std::collections::HashMap;

use super::catalog;
use crate::dify::{
    DifyError, ExtractOptions, ExtractedPrompt, Node, document_stem, extract, parse_document, prompt_ids,
    workflow_slug,
};
use crate::model::PromptId;
use crate::variants::plan::{WorkflowEntry, WorkflowType};

/// A workflow document that has been read.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// The document, byte for byte.
    pub document: Vec<u8>,
    /// What the ids of its prompts begin with.
    pub slug: String,
    /// Its prompts, in the order of the document.
    pub prompts: Vec<ExtractedPrompt>,
    /// Their ids.
    pub ids: Vec<PromptId>,
    /// What can be changed.
    pub fields: Vec<Field>,
    pub(super) root: Node,
    pub(super) kind: Option<WorkflowType>,
}

/// A text that can be changed, or a reason why what the catalogue names is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Where, as an RFC 6901 pointer.
    pub pointer: String,
    /// The text, or why there is none.
    pub text: Result<String, String>,
    /// Which prompt it is, if it is one.
    pub prompt: Option<usize>,
    /// The id of its node.
    pub node_id: Option<String>,
    /// The title of its node.
    pub label: Option<String>,
    /// The type of its node.
    pub kind: Option<String>,
}

impl Workflow {
    /// Reads a document. The ids of its prompts begin with `slug`; without one, with what an import of the file makes of its
    /// name. With an entry of a catalogue that names nodes, these can be changed; otherwise every prompt.
    ///
    /// # Errors
    /// [`DifyError`].
    pub fn read(
        document: Vec<u8>,
        file: &str,
        slug: Option<String>,
        entry: Option<&WorkflowEntry>,
    ) -> Result<Self, DifyError> {
        let options = ExtractOptions::default();
        let found = extract(&document, &options)?;
        let root = parse_document(&document, &options.limits)?.root;
        let slug = slug.unwrap_or_else(|| workflow_slug(document_stem(file), found.app.name.as_deref()));
        let ids = prompt_ids(&slug, &found.prompts);
        let kind = match found.app.mode.as_deref() {
            Some("workflow") => Some(WorkflowType::Workflow),
            Some("advanced-chat") => Some(WorkflowType::Chatflow),
            _ => None,
        };
        let mut workflow = Self {
            document,
            slug,
            prompts: found.prompts,
            ids,
            fields: Vec::new(),
            root,
            kind,
        };
        workflow.fields = match entry.filter(|entry| !entry.nodes.is_empty()) {
            Some(entry) => catalog::fields(&workflow, &entry.nodes),
            None => workflow.prompt_fields(),
        };
        Ok(workflow)
    }

    /// Returns every prompt as a field.
    fn prompt_fields(&self) -> Vec<Field> {
        self.prompts_at(|_| true)
    }

    /// Returns the prompts whose pointers are meant, as fields.
    pub(super) fn prompts_at(&self, is_meant: impl Fn(&str) -> bool) -> Vec<Field> {
        let meant = self
            .prompts
            .iter()
            .enumerate()
            .filter(|(_, prompt)| is_meant(&prompt.pointer));
        let fields = meant.map(|(at, prompt)| Field {
            pointer: prompt.pointer.clone(),
            text: Ok(prompt.text.clone()),
            prompt: Some(at),
            node_id: prompt.node_id.clone(),
            label: prompt.node_title.clone(),
            kind: prompt.node_type.clone(),
        });
        fields.collect()
    }

    /// Returns the text at a pointer as a field.
    pub(super) fn field_at(&self, pointer: &str) -> Field {
        if let Some(field) = self.prompts_at(|there| there == pointer).pop() {
            return field;
        }
        let text = match self.root.pointer(pointer) {
            None => Err("there is nothing at this place".to_owned()),
            Some(node) => match node.as_text() {
                Some(text) => Ok(text.to_owned()),
                None => Err(format!("{} stands there, not text", node.describe())),
            },
        };
        Field {
            pointer: pointer.to_owned(),
            text,
            prompt: None,
            node_id: None,
            label: None,
            kind: None,
        }
    }

    /// Returns a pointer as the document has it: older catalogues and plans leave `/workflow` out.
    pub(super) fn resolve(&self, pointer: &str) -> Option<String> {
        [pointer.to_owned(), format!("/workflow{pointer}")]
            .into_iter()
            .find(|pointer| self.root.pointer(pointer).is_some())
    }

    /// Returns where the list of nodes stands.
    pub(super) fn nodes_pointer(&self) -> Option<&'static str> {
        ["/workflow/graph/nodes", "/graph/nodes"]
            .into_iter()
            .find(|pointer| self.root.pointer(pointer).is_some())
    }

    /// Returns the nodes by their ids, each with its position; of several with one id the first.
    pub(super) fn node_positions(&self) -> HashMap<String, usize> {
        let nodes = self
            .nodes_pointer()
            .and_then(|pointer| self.root.pointer(pointer));
        let nodes = nodes.and_then(Node::as_sequence).unwrap_or_default();
        let ids = nodes.iter().enumerate().rev().filter_map(|(at, node)| {
            let id = node.get("id").and_then(Node::printed)?;
            Some((id, at))
        });
        ids.collect()
    }
}

/// Returns the id of a prompt.
pub(super) fn id<'w>(workflow: &'w Workflow, field: &Field) -> Option<&'w PromptId> {
    workflow.ids.get(field.prompt?)
}
