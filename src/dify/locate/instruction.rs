//! The instruction of a node that classifies or extracts.

use super::collector::{Collector, Site, Source, only};
use crate::dify::error::DifyError;
use crate::dify::extraction::PromptKind;
use crate::dify::pointer::Pointer;
use crate::dify::tree::Node;

/// Offers the instruction of a node, if it has one.
pub(super) fn locate_instruction(
    source: &Source,
    data: &Node,
    at: &Pointer,
    collector: &mut Collector<'_>,
) -> Result<(), DifyError> {
    match data.get("instruction") {
        Some(text) => {
            let place = at.key("instruction");
            let site = Site::new(place, PromptKind::Instruction, "instruction", only("text"));
            collector.offer(source, site, text)
        }
        None => Ok(()),
    }
}
