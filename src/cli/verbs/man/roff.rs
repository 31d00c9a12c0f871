//! Just enough roff for pages written by hand.

/// A page under construction. Text is escaped on the way in.
#[derive(Debug)]
pub(super) struct Roff {
    text: String,
}

impl Roff {
    /// Begins a page.
    pub(super) fn page(title: &str, section: u8, source: &str) -> Self {
        let title = title.to_uppercase();
        Self {
            text: format!(
                ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH {title} {section} \"\" \"{source}\" \"promptd manual\"\n"
            ),
        }
    }

    /// Begins a part of a page that something else has begun.
    pub(super) fn part() -> Self {
        Self { text: String::new() }
    }

    /// Begins a section.
    pub(super) fn section(mut self, name: &str) -> Self {
        self.text.push_str(&format!(".SH {}\n", escaped(name)));
        self
    }

    /// Writes a paragraph.
    pub(super) fn paragraph(mut self, text: &str) -> Self {
        self.text.push_str(".PP\n");
        self.push_lines(text);
        self
    }

    /// Writes lines as they are, without filling them up.
    pub(super) fn verbatim(mut self, text: &str) -> Self {
        self.text.push_str(".PP\n.nf\n");
        self.push_lines(text);
        self.text.push_str(".fi\n");
        self
    }

    /// Writes an entry of a list: what it is in bold, and what is to be said about it.
    pub(super) fn entry(mut self, name: &str, text: &str) -> Self {
        self.text.push_str(&format!(".TP\n\\fB{}\\fR\n", escaped(name)));
        self.push_lines(text);
        self
    }

    /// Returns the page.
    pub(super) fn finish(self) -> String {
        self.text
    }

    fn push_lines(&mut self, text: &str) {
        for line in text.lines() {
            let line = escaped(line);
            // A dot or a quote at the beginning would be a command.
            if line.starts_with(['.', '\'']) {
                self.text.push_str("\\&");
            }
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\*(Aq")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_is_taken_for_a_command() {
        let page = Roff::page("x.yaml", 5, "x 1")
            .paragraph(".hidden\n'quoted' back\\slash --flag")
            .finish();
        let text = page.split_once(".PP\n").unwrap().1;
        assert_eq!(text, "\\&.hidden\n\\*(Aqquoted\\*(Aq back\\eslash \\-\\-flag\n");
        assert!(page.contains(".TH X.YAML 5 "));
    }
}
