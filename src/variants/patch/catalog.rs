//! The fields that a catalogue names.

use super::fields::{Field, Workflow};
use crate::dify::Node;
use crate::variants::plan::NodeMeta;

/// Returns the fields of every node of the catalogue, in its order. What the document does not have is a field with a reason
/// in place of a text, so that a patch that means it can say so.
pub(super) fn fields(workflow: &Workflow, nodes: &[NodeMeta]) -> Vec<Field> {
    nodes.iter().flat_map(|node| of_node(workflow, node)).collect()
}

fn of_node(workflow: &Workflow, node: &NodeMeta) -> Vec<Field> {
    let base = match base(workflow, node) {
        Ok(base) => base,
        Err(reason) => return vec![known(workflow, node, broken(&node.path, reason))],
    };
    let paths: Vec<String> = match node.prompt_fields.is_empty() {
        true => vec![String::new()],
        false => node.prompt_fields.iter().map(|field| below(field)).collect(),
    };
    let fields = paths
        .into_iter()
        .flat_map(|path| at(workflow, &format!("{base}{path}")));
    fields.map(|field| known(workflow, node, field)).collect()
}

/// Returns the text at a place; for a list or a mapping the prompts in it.
fn at(workflow: &Workflow, pointer: &str) -> Vec<Field> {
    let field = workflow.field_at(pointer);
    if field.text.is_ok() {
        return vec![field];
    }
    let inside = format!("{pointer}/");
    let mut fields = workflow.prompt_fields();
    fields.retain(|field| field.pointer.starts_with(&inside));
    if fields.is_empty() { vec![field] } else { fields }
}

/// Returns where a node stands now. Its position changes on every edit of the canvas, its id does not.
fn base(workflow: &Workflow, node: &NodeMeta) -> Result<String, String> {
    let positions = workflow.node_positions();
    let position = positions.get(&node.node_id);
    let resolved = workflow.resolve(&node.path);
    if let Some(nodes) = workflow.nodes_pointer()
        && let short = nodes.strip_prefix("/workflow").unwrap_or(nodes)
        && let Some(rest) = [nodes, short]
            .iter()
            .find_map(|start| node.path.strip_prefix(start))
        && let Some(rest) = rest.strip_prefix('/')
    {
        let position = position.ok_or_else(|| format!("the workflow has no node '{}'", node.node_id))?;
        let (_, below) = rest.split_once('/').map_or((rest, ""), |(at, below)| (at, below));
        let below = if below.is_empty() {
            String::new()
        } else {
            format!("/{below}")
        };
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
fn known(workflow: &Workflow, node: &NodeMeta, field: Field) -> Field {
    let title = || {
        let position = *workflow.node_positions().get(&node.node_id)?;
        let pointer = format!("{}/{position}/data/title", workflow.nodes_pointer()?);
        workflow.root.pointer(&pointer).and_then(Node::printed)
    };
    Field {
        node_id: Some(node.node_id.clone()),
        label: node.label.clone().or(field.label).or_else(title),
        kind: Some(node.kind.clone()),
        ..field
    }
}
