//! Workflow documents of Dify: locating the prompts in them. Pure: bytes in, prompts out.
//!
//! A document is a YAML or JSON export of an app. It is read into a [`Node`] tree under hard limits
//! ([`parse_document`]), every live prompt in it is located ([`extract`]), named ([`prompt_ids`]) and turned into what
//! the store keeps ([`to_prompt`]). Scalars mean what Dify's own loader, a YAML 1.1 reader, takes them for.
//!
//! What this module promises: no I/O, no clock, no recursion deeper than [`Limits::max_depth`], and no value of an
//! environment variable, of a tool parameter or of a model parameter in a result or in an error.

mod compose;
mod context;
mod document;
mod error;
mod extraction;
#[cfg(test)]
mod fuzz;
mod ids;
mod limits;
mod locate;
mod open_mapping;
mod pointer;
mod references;
mod scalar;
mod slug;
mod tag;
mod tree;

pub use context::{prompt_context, to_prompt};
pub use document::{Document, parse_document};
pub use error::{DifyError, Position};
pub use extraction::{
    AppInfo, Diagnostic, ExtractedPrompt, Extraction, ModelRef, Owner, Place, PlaceKey, PromptKind,
    SkippedPrompt,
};
pub use ids::prompt_ids;
pub use limits::{ExtractOptions, Limits};
pub use locate::extract;
pub use slug::workflow_slug;
pub use tree::{Mapping, Node, NodeKind, ScalarType};

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod fixture_tests;
#[cfg(test)]
mod limit_tests;
#[cfg(test)]
mod refusal_tests;
