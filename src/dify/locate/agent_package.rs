//! Agent packages: the system prompts that agent nodes of version 2 refer to.

use super::collector::{Collector, Site, Source, Syntax, only};
use super::model_ref;
use crate::dify::error::DifyError;
use crate::dify::extraction::{Owner, PromptKind};
use crate::dify::pointer::Pointer;
use crate::dify::tree::Node;

/// Locates the prompts of the packages at the root of a document.
pub(super) fn locate(root: &Node, collector: &mut Collector<'_>) -> Result<(), DifyError> {
    let at = Pointer::default().key("agent_packages");
    let Some(packages) = root.get("agent_packages").filter(|packages| !packages.is_null()) else {
        return Ok(());
    };
    let Some(packages) = packages.as_mapping() else {
        collector.unexpected(&at, packages, "a mapping of packages");
        return Ok(());
    };
    for (name, package) in packages.iter() {
        let Some(soul) = package.get("soul") else {
            continue;
        };
        let Some(prompt) = soul.get("prompt").and_then(|prompt| prompt.get("system_prompt")) else {
            continue;
        };
        let source = Source {
            owner: Owner::Package(name.to_owned()),
            node_id: None,
            node_type: None,
            node_title: None,
            parent_id: None,
            model: soul
                .get("model")
                .and_then(|model| model_ref(model, "model_provider", "model")),
            syntax: Syntax::Graph { jinja2: Vec::new() },
        };
        let place = at.key(name).key("soul").key("prompt").key("system_prompt");
        let site = Site::new(place, PromptKind::AgentV2Soul, "soul", only("prompt"))
            .with_role(Some("system".to_owned()));
        collector.offer(&source, site, prompt)?;
    }
    Ok(())
}
