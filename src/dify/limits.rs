//! What a document may cost, and what counts as a prompt in an agent node.

/// Hard limits on one document. Over a limit is an error that names it, never unbounded memory or time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The size of the document in bytes; Dify itself refuses more than 10 MiB.
    pub max_document_bytes: usize,
    /// How deep lists and mappings may nest, aliases expanded. Real exports stay below 20; values above
    /// [`Limits::DEPTH_CEILING`] count as the ceiling, since the tree is walked by recursion.
    pub max_depth: usize,
    /// How many nodes (scalars, keys, lists, mappings) the tree may have, aliases expanded. An export of 10 MiB as Dify
    /// writes it has about 850,000.
    pub max_nodes: usize,
    /// How many bytes of scalar text the tree may have, aliases expanded.
    pub max_expanded_bytes: usize,
    /// How many prompts a document may hold, empty ones included.
    pub max_prompts: usize,
    /// How many diagnostics are kept; one more then tells how many were left out.
    pub max_diagnostics: usize,
}

impl Limits {
    /// The deepest nesting that can be configured.
    pub const DEPTH_CEILING: usize = 250;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_document_bytes: 10 * 1024 * 1024,
            max_depth: 100,
            max_nodes: 1_000_000,
            max_expanded_bytes: 40 * 1024 * 1024,
            max_prompts: 10_000,
            max_diagnostics: 1_000,
        }
    }
}

/// How a document is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractOptions {
    /// The limits.
    pub limits: Limits,
    /// Which parameters of an agent node hold prompt text. Strategy plug-ins name their parameters as they like, and
    /// some hold keys and addresses, so a parameter that is not listed here is never read.
    pub agent_parameters: Vec<String>,
}

impl Default for ExtractOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            agent_parameters: ["instruction", "query", "storage_key", "task_schema"]
                .map(str::to_owned)
                .into(),
        }
    }
}
