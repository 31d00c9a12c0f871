//! The fields that a catalogue names.

use super::fields::{Field, Workflow};
use crate::dify::Node;
use crate::variants::plan::NodeMeta;

/// Returns the fields of every node of the catalogue, in its order. What the document does not have is a field with a reason
/// in place of a text, so that a patch that means it can say so.
pub(super) fn fields(workflow: &Workflow, nodes: &[NodeMeta]) -> Vec<Field> {
    let positions = workflow.node_positions();
    let position = |node: &NodeMeta| positions.get(&node.node_id).copied();
    nodes
        .iter()
        .flat_map(|node| of_node(workflow, node, position(node)))
        .collect()
}

fn of_node(workflow: &Workflow, node: &NodeMeta, position: Option<usize>) -> Vec<Field> {
    let base = match base(workflow, node, position) {
        Ok(base) => base,
        Err(reason) => return vec![known(workflow, node, position, broken(&node.path, reason))],
    };
    let paths: Vec<String> = match node.prompt_fields.is_empty() {
        true => vec![String::new()],
        false => node.prompt_fields.iter().map(|field| below(field)).collect(),
    };
    let fields = paths
        .into_iter()
        .flat_map(|path| at(workflow, &format!("{base}{path}")));
    fields
        .map(|field| known(workflow, node, position, field))
        .collect()
}

/// Returns the text at a place; for a list or a mapping the prompts in it.
fn at(workflow: &Workflow, pointer: &str) -> Vec<Field> {
    let field = workflow.field_at(pointer);
    if field.text.is_ok() {
        return vec![field];
    }
    let inside = format!("{pointer}/");
    let fields = workflow.prompts_at(|there| there.starts_with(&inside));
    if fields.is_empty() { vec![field] } else { fields }
}

/// Returns where a node stands now. Its position changes on every edit of the canvas, its id does not.
fn base(workflow: &Workflow, node: &NodeMeta, position: Option<usize>) -> Result<String, String> {
    let resolved = workflow.resolve(&node.path);
    if let Some(nodes) = workflow.nodes_pointer()
        && let short = nodes.strip_prefix("/workflow").unwrap_or(nodes)
        && let Some(rest) = [nodes, short]
            .iter()
            .find_map(|start| node.path.strip_prefix(start))
        && let Some(rest) = rest.strip_prefix('/')
    {
        let (at, below) = rest.split_once('/').unwrap_or((rest, ""));
        let there = workflow
            .root
            .pointer(&format!("{nodes}/{at}/id"))
            .and_then(Node::printed);
        let below = if below.is_empty() {
            String::new()
        } else {
            format!("/{below}")
        };
        // Several nodes may have one id: the path says which of them is meant, as long as it is one of them.
        if there.as_ref() == Some(&node.node_id) {
            return Ok(format!("{nodes}/{at}{below}"));
        }
        let position = position.ok_or_else(|| format!("the workflow has no node '{}'", node.node_id))?;
        return Ok(format!("{nodes}/{position}{below}"));
    }
    resolved.ok_or_else(|| format!("the workflow has nothing at '{}'", node.path))
}

/// Returns a dotted path as a pointer; a pointer stays one.
fn below(field: &str) -> String {
    if field.starts_with('/') {
        return field.to_owned();
    }
    let tokens = field
        .split('.')
        .map(|token| token.replace('~', "~0").replace('/', "~1"));
    tokens.map(|token| format!("/{token}")).collect()
}

fn broken(pointer: &str, reason: String) -> Field {
    Field {
        pointer: pointer.to_owned(),
        text: Err(reason),
        prompt: None,
        node_id: None,
        label: None,
        kind: None,
    }
}

/// Adds what the catalogue knows of the node.
fn known(workflow: &Workflow, node: &NodeMeta, position: Option<usize>, field: Field) -> Field {
    let title = || {
        let pointer = format!("{}/{}/data/title", workflow.nodes_pointer()?, position?);
        workflow.root.pointer(&pointer).and_then(Node::printed)
    };
    Field {
        node_id: Some(node.node_id.clone()),
        label: node.label.clone().or(field.label).or_else(title),
        kind: Some(node.kind.clone()),
        ..field
    }
}
