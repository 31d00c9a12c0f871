//! Writing a text in the style of the scalar that it replaces.

mod block;
mod double;
mod lines;
mod plain;
mod single;

use super::Styles;
use super::block::Block;
use super::scalar::{Scalar, ScalarStyle};
use super::splice::Edit;
use lines::Layout;

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
    let layout = Layout::of(source, scalar);
    let kept = match styles {
        Styles::Kept => in_style(scalar, block.as_ref(), text, layout),
        Styles::DoubleQuoted => None,
    };
    if let Some(edits) = kept {
        return Written {
            edits,
            style: scalar.style,
        };
    }
    let quoted = double::quoted(text, layout);
    let edits = match &block {
        Some(block) => block::replaced(block, quoted),
        None => whole(scalar, quoted),
    };
    Written {
        edits,
        style: ScalarStyle::DoubleQuoted,
    }
}

fn in_style(scalar: &Scalar, block: Option<&Block>, text: &str, layout: Layout<'_>) -> Option<Vec<Edit>> {
    match scalar.style {
        ScalarStyle::Plain => {
            plain::written(text, scalar.surroundings.in_flow, layout).map(|written| whole(scalar, written))
        }
        ScalarStyle::SingleQuoted => single::quoted(text, layout).map(|written| whole(scalar, written)),
        ScalarStyle::DoubleQuoted => Some(whole(scalar, double::quoted(text, layout))),
        ScalarStyle::Literal => block::written(block?, text, layout.line_break, &block::Literal),
        ScalarStyle::Folded => block::written(block?, text, layout.line_break, &block::Folded),
    }
}

fn whole(scalar: &Scalar, text: String) -> Vec<Edit> {
    vec![Edit {
        range: scalar.span.clone(),
        text,
    }]
}
