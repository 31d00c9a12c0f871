//! What an extraction gives.

use serde::{Serialize, Serializer};

/// Everything that was found in one document.
///
/// It holds prompt texts, names and selectors only: no value of an environment variable, of a tool parameter or of a
/// model parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Extraction {
    /// The app that the document describes.
    pub app: AppInfo,
    /// The live prompts: nodes in the order of the document, the prompts of a node in the order of its fields.
    pub prompts: Vec<ExtractedPrompt>,
    /// Prompt fields that hold no text.
    pub empty: Vec<SkippedPrompt>,
    /// What was found odd; never empty when there is no prompt.
    pub diagnostics: Vec<Diagnostic>,
    /// How many nodes the workflow graph has; 0 for an app without a graph.
    pub nodes: usize,
}

/// The head of a document, each value in printed form, if it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AppInfo {
    /// `app.name`.
    pub name: Option<String>,
    /// `app.mode`: `workflow`, `advanced-chat`, `chat`, `agent-chat`, `completion`, `agent`.
    pub mode: Option<String>,
    /// `kind`: `app` or `rag_pipeline`.
    pub kind: Option<String>,
    /// `version` of the document format.
    pub dsl_version: Option<String>,
}

/// What a prompt is to the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PromptKind {
    /// A message of a chat model.
    LlmMessage,
    /// A message of a chat model, written as a Jinja2 template.
    LlmMessageJinja2,
    /// The prompt of a completion model.
    LlmCompletion,
    /// The prompt of a completion model, written as a Jinja2 template.
    LlmCompletionJinja2,
    /// What an LLM node with memory sends as the user's turn.
    MemoryQuery,
    /// The instruction of a question classifier or a parameter extractor.
    Instruction,
    /// The name of a class, which the model reads.
    ClassName,
    /// The description of a parameter to extract.
    ParameterDescription,
    /// A text parameter of an agent node.
    AgentParameter,
    /// The task of an agent node of version 2.
    AgentV2Job,
    /// The system prompt of an agent package.
    AgentV2Soul,
    /// The simple prompt of an app without a graph.
    PrePrompt,
    /// A message of the expert prompt of an app without a graph.
    ChatPromptConfig,
    /// The completion form of the expert prompt of an app without a graph.
    CompletionPromptConfig,
}

/// One live prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExtractedPrompt {
    /// Where the text stands, as an RFC 6901 pointer.
    pub pointer: String,
    /// What it is.
    pub kind: PromptKind,
    /// The chat role, where there is one.
    pub role: Option<String>,
    /// The text, at most [`crate::model::MAX_PROMPT_CHARS`] characters and not blank.
    pub text: String,
    /// The selectors of `{{#node.field#}}` references, each once, in the order of first use.
    pub references: Vec<String>,
    /// The special references used (`context`, `histories`, `query`), each once, in the order of first use.
    pub special_references: Vec<String>,
    /// The names of other variables: `{{name}}` in an app without a graph; in a Jinja2 template the names that its
    /// node declares and the text mentions.
    pub variables: Vec<String>,
    /// The id of the node, printed.
    pub node_id: Option<String>,
    /// The type of the node.
    pub node_type: Option<String>,
    /// The title of the node.
    pub node_title: Option<String>,
    /// The id of the iteration or loop that contains the node.
    pub parent_id: Option<String>,
    /// The name of the agent parameter.
    pub parameter: Option<String>,
    /// The type of the agent parameter.
    pub value_type: Option<String>,
    /// Where the basic text stands that a Jinja2 text has replaced.
    pub stale_text_pointer: Option<String>,
    /// The model that reads the prompt.
    pub model: Option<ModelRef>,
    /// Where in its node the prompt stands, free of list positions wherever the format gives a name.
    pub place: Place,
}

/// Which model, without any of its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ModelRef {
    /// The provider: one word, or `organisation/plugin/provider`.
    pub provider: Option<String>,
    /// The name of the model.
    pub name: Option<String>,
}

/// What a prompt id is made of besides the workflow and the node id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Place {
    /// What the prompt belongs to.
    pub owner: Owner,
    /// The field, as one word of lower-case letters.
    pub field: &'static str,
    /// Which one of that field.
    pub key: PlaceKey,
}

/// What a prompt belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// The node named by the prompt's `node_id`.
    Node,
    /// An agent package, by its name in the document.
    Package(String),
    /// The configuration of an app without a graph.
    AppConfig,
}

/// How a prompt is told from others in the same field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceKey {
    /// By a name or id in the document, as it stands there.
    Name(String),
    /// By its position in a list whose items have no id.
    Index(usize),
}

/// A prompt field that holds no text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedPrompt {
    /// Where the field stands.
    pub pointer: String,
    /// What it would be.
    pub kind: PromptKind,
}

/// Something odd that did not stop the extraction. Messages never carry values of the document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Where; empty for the document as a whole.
    pub pointer: String,
    /// The line, if it is known.
    pub line: Option<usize>,
    /// What is odd, and what was done about it.
    pub message: String,
}

impl PromptKind {
    /// Returns the name of the kind, as it stands in stored documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LlmMessage => "llm_message",
            Self::LlmMessageJinja2 => "llm_message_jinja2",
            Self::LlmCompletion => "llm_completion",
            Self::LlmCompletionJinja2 => "llm_completion_jinja2",
            Self::MemoryQuery => "memory_query",
            Self::Instruction => "instruction",
            Self::ClassName => "class_name",
            Self::ParameterDescription => "parameter_description",
            Self::AgentParameter => "agent_parameter",
            Self::AgentV2Job => "agent_v2_job",
            Self::AgentV2Soul => "agent_v2_soul",
            Self::PrePrompt => "pre_prompt",
            Self::ChatPromptConfig => "chat_prompt_config",
            Self::CompletionPromptConfig => "completion_prompt_config",
        }
    }

    /// Tells whether the text is a Jinja2 template.
    #[must_use]
    pub const fn is_jinja2(self) -> bool {
        matches!(self, Self::LlmMessageJinja2 | Self::LlmCompletionJinja2)
    }
}

impl Serialize for PromptKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
