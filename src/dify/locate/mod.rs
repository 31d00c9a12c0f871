//! Finding the prompts: which part of a document is live, and which fields of it a model reads.

mod agent;
mod agent_package;
mod collector;
mod instruction;
mod items;
mod llm;
mod model_config;
mod parameter_extractor;
mod question_classifier;

use super::document::{Document, parse_document};
use super::error::DifyError;
use super::extraction::{AppInfo, Extraction, ModelRef, Owner};
use super::limits::ExtractOptions;
use super::pointer::Pointer;
use super::tree::{Node, NodeKind};
use collector::{Collector, Source, Syntax};

/// Extracts every live prompt of a workflow document.
///
/// Odd parts of a document (a node without data, a number where text is expected, an over-long text) are skipped and
/// reported as diagnostics; so is the reason when nothing at all is found.
///
/// # Errors
/// [`DifyError`] when the bytes are no single YAML or JSON mapping, or exceed a limit of the options.
pub fn extract(document: &[u8], options: &ExtractOptions) -> Result<Extraction, DifyError> {
    let document = parse_document(document, &options.limits)?;
    let mut collector = Collector::new(options);
    let app = app_info(&document.root, &mut collector);
    report_odd_line_break(&document, &mut collector);
    let nodes = locate(&document.root, &app, &mut collector)?;
    Ok(collector.finish(app, nodes))
}

fn app_info(root: &Node, collector: &mut Collector<'_>) -> AppInfo {
    let app = root.get("app");
    let of_app = |key| app.and_then(|app| app.get(key)).and_then(Node::printed);
    if let Some(version) = root.get("version")
        && version.as_text().is_none()
    {
        let message = "the version is not text, and dify refuses to import it: put it in quotes";
        collector.note("/version", Some(version.line), message);
    }
    AppInfo {
        name: of_app("name"),
        mode: of_app("mode"),
        kind: root.get("kind").and_then(Node::printed),
        dsl_version: root.get("version").and_then(Node::printed),
    }
}

fn report_odd_line_break(document: &Document, collector: &mut Collector<'_>) {
    if document.odd_line_break.is_some() {
        let message = "a raw U+0085, U+2028 or U+2029 stands here, which yaml readers treat differently: \
                       write it as an escape in double quotes";
        collector.note("", document.odd_line_break, message);
    }
}

/// Walks the live part of the document and returns the number of graph nodes.
fn locate(root: &Node, app: &AppInfo, collector: &mut Collector<'_>) -> Result<usize, DifyError> {
    let graph = [&["workflow", "graph"][..], &["graph"][..]]
        .into_iter()
        .find_map(|path| find(root, path));
    let config = find(root, &["model_config"]);
    let by_config = matches!(
        app.mode.as_deref(),
        Some("chat" | "agent-chat" | "completion" | "agent")
    );
    let nodes = match (graph, config) {
        (Some((graph, at)), Some((config, place))) => {
            let ignored = if by_config { &at } else { &place };
            let message = "the document has a workflow graph and a model_config: only the one that app.mode asks \
                           for was read";
            collector.note(&ignored.to_string(), None, message);
            if by_config {
                model_config::locate(config, &place, collector)?;
                0
            } else {
                locate_nodes(graph, &at, collector)?
            }
        }
        (Some((graph, at)), None) => locate_nodes(graph, &at, collector)?,
        (None, Some((config, at))) => {
            model_config::locate(config, &at, collector)?;
            0
        }
        (None, None) => {
            collector.unlocated();
            0
        }
    };
    agent_package::locate(root, collector)?;
    Ok(nodes)
}

/// Follows keys to a mapping.
fn find<'d>(root: &'d Node, path: &[&str]) -> Option<(&'d Node, Pointer)> {
    let mut place = (root, Pointer::default());
    for key in path {
        place = (place.0.get(key)?, place.1.key(key));
    }
    place.0.as_mapping().map(|_| place)
}

fn locate_nodes(graph: &Node, at: &Pointer, collector: &mut Collector<'_>) -> Result<usize, DifyError> {
    let at = at.key("nodes");
    let Some(list) = graph.get("nodes") else {
        collector.note(&at.to_string(), Some(graph.line), "the graph has no nodes");
        return Ok(0);
    };
    let Some(nodes) = list.as_sequence() else {
        collector.unexpected(&at, list, "a list of nodes");
        return Ok(0);
    };
    for (index, node) in nodes.iter().enumerate() {
        locate_node(node, &at.index(index), collector)?;
    }
    Ok(nodes.len())
}

fn locate_node(node: &Node, at: &Pointer, collector: &mut Collector<'_>) -> Result<(), DifyError> {
    if node.as_mapping().is_none() {
        collector.unexpected(at, node, "a node");
        return Ok(());
    }
    if node.get("id").and_then(Node::printed).is_none() {
        collector.note(&at.key("id").to_string(), Some(node.line), "the node has no id");
    }
    let place = at.key("data");
    let data = match node.get("data") {
        Some(data) if data.as_mapping().is_some() => data,
        Some(data) => {
            collector.unexpected(&place, data, "the data of a node");
            return Ok(());
        }
        None => {
            collector.note(
                &place.to_string(),
                Some(node.line),
                "the node has no data: skipped",
            );
            return Ok(());
        }
    };
    let kind = match data.get("type") {
        Some(kind) if kind.as_text().is_some() => kind.as_text().unwrap_or_default(),
        Some(kind) => {
            collector.unexpected(&place.key("type"), kind, "the type of a node");
            return Ok(());
        }
        None => {
            let message = "the node has no data.type: skipped";
            collector.note(&place.key("type").to_string(), Some(data.line), message);
            return Ok(());
        }
    };
    locate_in(kind, &node_source(node, data, kind), data, &place, collector)
}

fn locate_in(
    kind: &str,
    source: &Source,
    data: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    match kind {
        "llm" => llm::locate(source, data, at, collector),
        "question-classifier" => question_classifier::locate(source, data, at, collector),
        "parameter-extractor" => parameter_extractor::locate(source, data, at, collector),
        "agent" => agent::locate(source, data, at, collector),
        // Templates, code, answers and forms are read by programs and people, not by a model.
        _ => Ok(()),
    }
}

fn node_source(node: &Node, data: &Node, kind: &str) -> Source {
    Source {
        owner: Owner::Node,
        node_id: Some(node.get("id").and_then(Node::printed).unwrap_or_default()),
        node_type: Some(kind.to_owned()),
        node_title: data.get("title").and_then(Node::printed),
        parent_id: node.get("parentId").and_then(Node::printed),
        model: data
            .get("model")
            .and_then(|model| model_ref(model, "provider", "name")),
        syntax: Syntax::Graph {
            jinja2: llm::jinja2_variables(data),
        },
    }
}

/// Reads provider and name of a model, and nothing else of it.
fn model_ref(model: &Node, provider: &str, name: &str) -> Option<ModelRef> {
    let text = |key| model.get(key).and_then(Node::as_text).map(str::to_owned);
    let found = ModelRef {
        provider: text(provider),
        name: text(name),
    };
    (found != ModelRef::default()).then_some(found)
}

/// Returns the text of a key that may be absent, null or misshapen.
fn optional_text(node: &Node, key: &str) -> Option<String> {
    match &node.get(key)?.kind {
        NodeKind::Text(text) => Some(text.to_string()),
        _ => None,
    }
}
