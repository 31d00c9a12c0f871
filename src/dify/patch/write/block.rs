//! Block scalars: the lines of the text, indented.

use crate::dify::patch::block::{Block, Chomping};
use crate::dify::patch::characters::{is_blank, is_lines};
use crate::dify::patch::splice::Edit;

/// How the line breaks within a text are written.
pub(super) trait Breaks {
    /// The character of the header.
    const MARK: char;

    /// Returns how many line breaks to write for a run of them between two lines that are not empty.
    fn between(&self, before: &str, run: usize, after: &str) -> usize;
}

/// As they are.
pub(super) struct Literal;

/// With one more between lines that would be joined to one.
pub(super) struct Folded;

impl Breaks for Literal {
    const MARK: char = '|';

    fn between(&self, _before: &str, run: usize, _after: &str) -> usize {
        run
    }
}

impl Breaks for Folded {
    const MARK: char = '>';

    fn between(&self, before: &str, run: usize, after: &str) -> usize {
        let is_joined = !before.starts_with(is_blank) && !after.starts_with(is_blank);
        run + usize::from(is_joined)
    }
}

/// Writes a text in place of a block scalar, in its style; `None` when it cannot be said so.
pub(super) fn written(
    block: &Block,
    text: &str,
    line_break: &str,
    breaks: &impl Breaks,
) -> Option<Vec<Edit>> {
    let core = text.trim_end_matches('\n');
    if core.is_empty() || !is_lines(text) {
        return None;
    }
    let ending = text.len() - core.len();
    let chomping = match (ending, block.chomping) {
        (0, _) => Chomping::Strip,
        (1, Chomping::Strip | Chomping::Clip) => Chomping::Clip,
        _ => Chomping::Keep,
    };
    let header = header(block, core, chomping, breaks)?;
    let mut lines = indented(core, block.indent, line_break, breaks);
    if ending > 0 || !block.is_open {
        (0..ending.max(1)).for_each(|_| lines.push_str(line_break));
    }
    // Blank lines behind the scalar become part of it when all line breaks are kept, and were part of it if they were.
    let is_kept = chomping == Chomping::Keep || block.chomping == Chomping::Keep;
    let end = if is_kept {
        block.blanks_end
    } else {
        block.lines.end
    };
    Some(vec![
        Edit {
            range: block.header.clone(),
            text: header,
        },
        Edit {
            range: block.lines.start..end,
            text: lines,
        },
    ])
}

/// Puts something on the line of the header in place of the whole block.
pub(super) fn replaced(block: &Block, text: String) -> Vec<Edit> {
    let end = match block.chomping {
        Chomping::Keep => block.blanks_end,
        Chomping::Strip | Chomping::Clip => block.lines.end,
    };
    vec![
        Edit {
            range: block.header.clone(),
            text,
        },
        Edit {
            range: block.lines.start..end,
            text: String::new(),
        },
    ]
}

fn header<B: Breaks>(block: &Block, core: &str, chomping: Chomping, _breaks: &B) -> Option<String> {
    let mut header = String::from(B::MARK);
    let first = core.trim_start_matches('\n');
    if let Some(stated) = block.stated_indent {
        header.push(stated);
    } else if first.starts_with(' ') {
        // The first line would be taken for the measure of the indentation.
        let indent = block.indent.checked_sub(block.outer_indent?)?;
        let digit = u32::try_from(indent).ok()?;
        header.push(char::from_digit(digit, 10).filter(|digit| *digit != '0')?);
    }
    match chomping {
        Chomping::Strip => header.push('-'),
        Chomping::Clip => {}
        Chomping::Keep => header.push('+'),
    }
    Some(header)
}

fn indented(core: &str, indent: usize, line_break: &str, breaks: &impl Breaks) -> String {
    let mut written = String::with_capacity(core.len() + indent);
    let mut before: Option<&str> = None;
    let mut run = 0;
    for (at, line) in core.split('\n').enumerate() {
        run += usize::from(at > 0);
        if line.is_empty() {
            continue;
        }
        let count = before.map_or(run, |before| breaks.between(before, run, line));
        (0..count).for_each(|_| written.push_str(line_break));
        written.extend(std::iter::repeat_n(' ', indent));
        written.push_str(line);
        (before, run) = (Some(line), 0);
    }
    written
}
