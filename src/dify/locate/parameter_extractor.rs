//! Parameter extractors: the instruction and the descriptions of the parameters.

use super::collector::{Collector, Site, Source, named_or_index};
use super::instruction::locate_instruction;
use super::items::locate_items;
use crate::dify::error::DifyError;
use crate::dify::extraction::PromptKind;
use crate::dify::pointer::Pointer;
use crate::dify::tree::Node;

/// Locates the prompts of a parameter extractor. The name of a parameter is an output of the node and no prompt.
pub(super) fn locate(
    source: &Source,
    data: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    locate_instruction(source, data, at, collector)?;
    let at = at.key("parameters");
    locate_items(
        data.get("parameters"),
        &at,
        collector,
        |index, parameter, at, collector| {
            let Some(description) = parameter.get("description") else {
                return Ok(());
            };
            let place = at.key("description");
            let key = named_or_index(parameter.get("name"), index);
            let site = Site::new(place, PromptKind::ParameterDescription, "parameter", key);
            collector.offer(source, site, description)
        },
    )
}
