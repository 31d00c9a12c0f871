//! Lists of mappings, as classes, parameters and messages are kept in.

use super::collector::Collector;
use crate::dify::error::DifyError;
use crate::dify::pointer::Pointer;
use crate::dify::tree::Node;

/// Hands out the mappings of a list, and reports what is no mapping.
pub(super) fn locate_items<F>(
    list: Option<&Node>,
    at: &Pointer,
    collector: &mut Collector<'_>,
    mut each: F,
) -> Result<(), DifyError>
where
    F: FnMut(usize, &Node, &Pointer, &mut Collector<'_>) -> Result<(), DifyError>,
{
    let Some(list) = list.filter(|list| !list.is_null()) else {
        return Ok(());
    };
    let Some(items) = list.as_sequence() else {
        collector.unexpected(at, list, "a list");
        return Ok(());
    };
    for (index, item) in items.iter().enumerate() {
        let at = at.index(index);
        if item.as_mapping().is_some() {
            each(index, item, &at, collector)?;
        } else {
            collector.unexpected(&at, item, "a mapping");
        }
    }
    Ok(())
}
