//! Gathers what the locators find, and applies the rules that hold for every kind of prompt.

use crate::dify::error::DifyError;
use crate::dify::extraction::{
    AppInfo, Diagnostic, ExtractedPrompt, Extraction, ModelRef, Owner, Place, PlaceKey, PromptKind,
    SkippedPrompt,
};
use crate::dify::limits::ExtractOptions;
use crate::dify::pointer::Pointer;
use crate::dify::references::{mentioned, plain_variables, selectors, specials};
use crate::dify::tree::{Node, NodeKind};
use crate::model::MAX_PROMPT_CHARS;

/// The state of one extraction.
pub(super) struct Collector<'o> {
    options: &'o ExtractOptions,
    prompts: Vec<ExtractedPrompt>,
    empty: Vec<SkippedPrompt>,
    diagnostics: Vec<Diagnostic>,
    left_out: usize,
    located: bool,
}

/// What all prompts of one node share.
#[derive(Clone)]
pub(super) struct Source {
    /// What they belong to.
    pub(super) owner: Owner,
    /// The id of the node.
    pub(super) node_id: Option<String>,
    /// The type of the node.
    pub(super) node_type: Option<String>,
    /// The title of the node.
    pub(super) node_title: Option<String>,
    /// The iteration or loop around it.
    pub(super) parent_id: Option<String>,
    /// The model that reads them.
    pub(super) model: Option<ModelRef>,
    /// How variables are written in them.
    pub(super) syntax: Syntax,
}

/// How variables are written in a text.
#[derive(Clone)]
pub(super) enum Syntax {
    /// As `{{#node.field#}}`, and in Jinja2 texts by the names that the node declares.
    Graph {
        /// Those names.
        jinja2: Vec<String>,
    },
    /// As `{{name}}`.
    Plain,
}

/// One prompt field.
pub(super) struct Site {
    /// Where its text stands.
    pub(super) pointer: Pointer,
    /// What it is.
    pub(super) kind: PromptKind,
    /// Its chat role.
    pub(super) role: Option<String>,
    /// The field, as one word.
    pub(super) field: &'static str,
    /// Which one of that field.
    pub(super) key: PlaceKey,
    /// Name and type of the agent parameter.
    pub(super) parameter: Option<(String, Option<String>)>,
    /// Where the text stands that this one replaces.
    pub(super) stale: Option<Pointer>,
}

impl Site {
    /// Describes a field without a role.
    pub(super) const fn new(pointer: Pointer, kind: PromptKind, field: &'static str, key: PlaceKey) -> Self {
        Self {
            pointer,
            kind,
            role: None,
            field,
            key,
            parameter: None,
            stale: None,
        }
    }

    /// Gives it a role.
    pub(super) fn with_role(self, role: Option<String>) -> Self {
        Self { role, ..self }
    }
}

/// Returns the key of a field of which a node has only one.
pub(super) fn only(name: &str) -> PlaceKey {
    PlaceKey::Name(name.to_owned())
}

/// Returns the key of a list item: its own id or name if it has one, else its position.
pub(super) fn named_or_index(id: Option<&Node>, index: usize) -> PlaceKey {
    match id.and_then(Node::printed) {
        Some(name) if !name.is_empty() => PlaceKey::Name(name),
        _ => PlaceKey::Index(index),
    }
}

impl<'o> Collector<'o> {
    /// Starts with nothing.
    pub(super) const fn new(options: &'o ExtractOptions) -> Self {
        Self {
            options,
            prompts: Vec::new(),
            empty: Vec::new(),
            diagnostics: Vec::new(),
            left_out: 0,
            located: true,
        }
    }

    /// Tells whether a parameter of an agent node holds prompt text.
    pub(super) fn is_agent_prompt(&self, parameter: &str) -> bool {
        self.options.agent_parameters.iter().any(|name| name == parameter)
    }

    /// Takes the value of a prompt field: live text becomes a prompt, blank text is counted, and anything else is
    /// reported.
    pub(super) fn offer(&mut self, source: &Source, site: Site, value: &Node) -> Result<(), DifyError> {
        let text = match &value.kind {
            NodeKind::Text(text) => &**text,
            NodeKind::Null => "",
            _ => {
                self.unexpected(&site.pointer, value, "prompt text");
                return Ok(());
            }
        };
        if text.trim().is_empty() {
            self.has_room()?;
            self.empty.push(SkippedPrompt {
                pointer: site.pointer.to_string(),
                kind: site.kind,
            });
            return Ok(());
        }
        // Bytes bound characters, so most texts need no counting.
        if text.len() > MAX_PROMPT_CHARS {
            let chars = text.chars().count();
            if chars > MAX_PROMPT_CHARS {
                let message = format!(
                    "the text has {chars} characters, more than {MAX_PROMPT_CHARS}: skipped; split the prompt"
                );
                self.note(&site.pointer.to_string(), Some(value.line), &message);
                return Ok(());
            }
        }
        self.has_room()?;
        self.prompts.push(prompt(source, site, text));
        Ok(())
    }

    /// Reports a value of the wrong shape.
    pub(super) fn unexpected(&mut self, at: &Pointer, value: &Node, wanted: &str) {
        let found = value.describe();
        let hint = match value.kind {
            NodeKind::Scalar(..) => "; if it is meant as text, put it in quotes",
            _ => "",
        };
        let message = format!("{found} stands where {wanted} is expected: skipped{hint}");
        self.note(&at.to_string(), Some(value.line), &message);
    }

    /// Reports something odd.
    pub(super) fn note(&mut self, pointer: &str, line: Option<usize>, message: &str) {
        if self.diagnostics.len() < self.options.limits.max_diagnostics {
            self.diagnostics.push(Diagnostic {
                pointer: pointer.to_owned(),
                line,
                message: message.to_owned(),
            });
        } else {
            self.left_out += 1;
        }
    }

    /// Remembers that the document has no part that could hold prompts.
    pub(super) const fn unlocated(&mut self) {
        self.located = false;
    }

    /// Ends the extraction.
    pub(super) fn finish(mut self, app: AppInfo, nodes: usize) -> Extraction {
        if self.left_out > 0 {
            let message = format!("{} further diagnostics are left out", self.left_out);
            self.whole(message);
        }
        if self.prompts.is_empty() {
            let message = self.why_nothing(nodes);
            self.whole(message);
        }
        Extraction {
            app,
            prompts: self.prompts,
            empty: self.empty,
            diagnostics: self.diagnostics,
            nodes,
        }
    }

    /// Adds a diagnostic on the document as a whole, beyond the limit.
    fn whole(&mut self, message: String) {
        self.diagnostics.push(Diagnostic {
            pointer: String::new(),
            line: None,
            message,
        });
    }

    fn why_nothing(&self, nodes: usize) -> String {
        let reason = if !self.empty.is_empty() {
            format!("all {} prompt fields are blank", self.empty.len())
        } else if !self.located {
            "the document has neither a workflow graph nor a model_config: is it a dify export?".to_owned()
        } else if nodes > 0 {
            format!("none of the {nodes} nodes holds prompt text for a model")
        } else {
            "the app has no nodes and its configuration holds no prompt text".to_owned()
        };
        format!("no prompts found: {reason}")
    }

    const fn has_room(&self) -> Result<(), DifyError> {
        let limit = self.options.limits.max_prompts;
        if self.prompts.len() + self.empty.len() < limit {
            Ok(())
        } else {
            Err(DifyError::TooManyPrompts { limit })
        }
    }
}

fn prompt(source: &Source, site: Site, text: &str) -> ExtractedPrompt {
    // In a Jinja2 template `{{#` opens no reference but is a syntax error.
    let (references, special_references) = if site.kind.is_jinja2() {
        (Vec::new(), Vec::new())
    } else {
        (selectors(text), specials(text))
    };
    let variables = match &source.syntax {
        Syntax::Plain => plain_variables(text),
        Syntax::Graph { jinja2 } if site.kind.is_jinja2() => mentioned(jinja2, text),
        Syntax::Graph { .. } => Vec::new(),
    };
    let (parameter, value_type) = match site.parameter {
        Some((name, value_type)) => (Some(name), value_type),
        None => (None, None),
    };
    ExtractedPrompt {
        pointer: site.pointer.to_string(),
        kind: site.kind,
        role: site.role,
        text: text.to_owned(),
        references,
        special_references,
        variables,
        node_id: source.node_id.clone(),
        node_type: source.node_type.clone(),
        node_title: source.node_title.clone(),
        parent_id: source.parent_id.clone(),
        parameter,
        value_type,
        stale_text_pointer: site.stale.map(|stale| stale.to_string()),
        model: source.model.clone(),
        place: Place {
            owner: source.owner.clone(),
            field: site.field,
            key: site.key,
        },
    }
}
