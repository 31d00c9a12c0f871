//! Writing a text in the style of the scalar that it replaces.

mod block;
mod double;
mod plain;
mod single;

use super::Styles;
use super::block::{Block, line_break};
use super::scalar::{Scalar, ScalarStyle};
use super::splice::Edit;

/// A scalar written anew.
pub(super) struct Written {
    /// What to replace.
    pub(super) edits: Vec<Edit>,
    /// The style that it has now.
    pub(super) style: ScalarStyle,
}

/// Writes a text in place of a scalar: in its style where the style can say it exactly, else in double quotes.
pub(super) fn write(source: &str, scalar: &Scalar, text: &str, styles: Styles) -> Written {
    let block = Block::of(source, scalar);
    let kept = match styles {
        Styles::Kept => in_style(source, scalar, block.as_ref(), text),
        Styles::DoubleQuoted => None,
    };
    if let Some(edits) = kept {
        return Written {
            edits,
            style: scalar.style,
        };
    }
    let quoted = double::quoted(text);
    let edits = match &block {
        Some(block) => block::replaced(block, quoted),
        None => whole(scalar, quoted),
    };
    Written {
        edits,
        style: ScalarStyle::DoubleQuoted,
    }
}

fn in_style(source: &str, scalar: &Scalar, block: Option<&Block>, text: &str) -> Option<Vec<Edit>> {
    let line_break = line_break(source, scalar.span.start);
    match scalar.style {
        ScalarStyle::Plain => {
            plain::is_safe(text, scalar.surroundings.in_flow).then(|| whole(scalar, text.to_owned()))
        }
        ScalarStyle::SingleQuoted => {
            let indent = single::indent_of(source.get(scalar.span.clone())?)
                .unwrap_or(scalar.surroundings.further_lines);
            Some(whole(scalar, single::quoted(text, indent, line_break)?))
        }
        ScalarStyle::DoubleQuoted => Some(whole(scalar, double::quoted(text))),
        ScalarStyle::Literal => block::written(block?, text, line_break, &block::Literal),
        ScalarStyle::Folded => block::written(block?, text, line_break, &block::Folded),
    }
}

fn whole(scalar: &Scalar, text: String) -> Vec<Edit> {
    vec![Edit {
        range: scalar.span.clone(),
        text,
    }]
}
