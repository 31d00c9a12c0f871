//! Question classifiers: the instruction and the class names, which the model reads.

use super::collector::{Collector, Site, Source, named_or_index};
use super::instruction::locate_instruction;
use super::items::locate_items;
use crate::dify::error::DifyError;
use crate::dify::extraction::PromptKind;
use crate::dify::pointer::Pointer;
use crate::dify::tree::Node;

/// Locates the prompts of a question classifier. `instructions` beside `instruction` is a leftover of the canvas that
/// no model sees.
pub(super) fn locate(
    source: &Source,
    data: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    locate_instruction(source, data, at, collector)?;
    let at = at.key("classes");
    locate_items(
        data.get("classes"),
        &at,
        collector,
        |index, class, at, collector| {
            let Some(name) = class.get("name") else {
                collector.note(
                    &at.to_string(),
                    Some(class.line),
                    "the class has no name: skipped",
                );
                return Ok(());
            };
            let key = named_or_index(class.get("id"), index);
            let site = Site::new(at.key("name"), PromptKind::ClassName, "class", key);
            collector.offer(source, site, name)
        },
    )
}
