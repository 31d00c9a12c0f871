//! A configuration as YAML text.

use std::fmt::Write as _;

use serde_json::Value;

use super::Config;
use super::keys::{self, Key};

/// Columns that a comment may fill, with its indentation.
const WIDTH: usize = 100;

/// The head of the shipped file.
const HEAD: &str = "\
# The configuration of promptd.
#
# Every key is here with its default: what is left out, or an empty file, means exactly this.
#
# Order: defaults, then this file, then the environment, then the command line. Each key is also a variable:
# its path in capitals, with two underscores between the parts, after PROMPTD__. So
# PROMPTD__DAEMON__LOGGING__LEVEL=debug sets daemon.logging.level.
#
# Where the file is looked for: --config FILE, $PROMPTD_CONFIG, $CONFIGURATION_DIRECTORY/promptd.yaml,
# $XDG_CONFIG_HOME/promptd/promptd.yaml (~/.config), /etc/promptd/promptd.yaml; the first that there is.
#
# Sizes are bytes: a whole number, or one with a unit (64KiB is 65536, 64KB is 64000; also MiB, GiB, TiB, MB, GB, TB).
# A key that does not exist, a wrong type, and a value out of bounds are refused with their line:
#   promptd --check-config --config FILE    looks, and does not start
#   promptd --print-config                  prints what is in force
# A file with the names of older versions is brought up to date by: promptctl config migrate FILE
";

impl Config {
    /// Writes every key with its value, without comments. The text loads back to an equal configuration.
    #[must_use]
    pub fn render_yaml(&self) -> String {
        render(self, |_, _, _| {})
    }
}

/// Writes the defaults with the manual as comments: the text of the shipped `config/promptd.yaml`.
#[must_use]
pub fn commented_defaults() -> String {
    let sections = keys::sections();
    let defaults = keys::values_of(&Config::default());
    let body = render(&Config::default(), |out, path, depth| {
        let indent = "  ".repeat(depth);
        if let Some(section) = sections.iter().find(|section| section.path == path) {
            out.push('\n');
            comment(out, &indent, section.description);
        } else if let Some(key) = keys::find(path) {
            out.push('\n');
            let default = key.kind.show(keys::value_at(&defaults, path));
            comment(out, &indent, &about(key, &default));
        }
    });
    format!("{HEAD}{body}")
}

/// What a key does, what it takes, and its default, so that it is still known when the value is edited.
fn about(key: &Key, default: &str) -> String {
    let default = if default == "null" {
        String::new()
    } else {
        format!("; default {default}")
    };
    format!("{}\nValue: {}{default}.", key.about, key.kind)
}

/// Writes the keys in the order of the table, each section once, with `before` called ahead of each line.
fn render(config: &Config, mut before: impl FnMut(&mut String, &str, usize)) -> String {
    let values = keys::values_of(config);
    let mut out = String::new();
    let mut open: Vec<&str> = Vec::new();
    for key in keys::table() {
        let mut names: Vec<&str> = key.path.split('.').collect();
        let leaf = names.pop().unwrap_or_default();
        let shared = open.iter().zip(&names).take_while(|(a, b)| a == b).count();
        open.truncate(shared);
        for name in names.into_iter().skip(shared) {
            open.push(name);
            before(&mut out, &open.join("."), open.len() - 1);
            line(&mut out, open.len() - 1, name, "");
        }
        before(&mut out, key.path, open.len());
        let value: &Value = keys::value_at(&values, key.path);
        line(&mut out, open.len(), leaf, &format!(" {}", key.kind.show(value)));
    }
    out
}

fn line(out: &mut String, depth: usize, name: &str, value: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}{name}:{value}", "  ".repeat(depth));
}

/// Writes a text as comment lines, broken at spaces; a newline in the text begins a new line.
fn comment(out: &mut String, indent: &str, text: &str) {
    for paragraph in text.lines() {
        let mut column = 0;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if column > 0 && column + 1 + length <= WIDTH {
                out.push(' ');
                column += 1 + length;
            } else {
                if column > 0 {
                    out.push('\n');
                }
                out.push_str(indent);
                out.push_str("# ");
                column = indent.len() + 2 + length;
            }
            out.push_str(word);
        }
        out.push('\n');
    }
}

/// Returns a text as a double-quoted YAML scalar; whatever is not plainly printable is escaped.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            _ if c.is_alphanumeric() => out.push(c),
            _ => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use proptest::prelude::*;

    use super::super::keys::KeyKind;
    use super::super::load::assemble;
    use super::super::{Sources, load};
    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("config/promptd.yaml")
    }

    fn reload(text: &str) -> Config {
        assemble(Some((Path::new("x"), text)), &Sources::default()).unwrap()
    }

    #[test]
    fn the_shipped_file_loads_to_exactly_the_defaults() {
        let sources = Sources {
            file: Some(shipped()),
            ..Sources::default()
        };
        assert_eq!(load(&sources).unwrap(), Config::default());
    }

    #[test]
    fn the_shipped_file_is_the_manual_that_the_keys_make() {
        let path = shipped();
        if std::env::var_os("PROMPTD_WRITE_SHIPPED_FILES").is_some() {
            std::fs::write(&path, commented_defaults()).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text == commented_defaults(),
            "config/promptd.yaml is out of date: run this test with PROMPTD_WRITE_SHIPPED_FILES=1"
        );
    }

    #[test]
    fn the_shipped_file_sets_every_key_uncommented() {
        let text = std::fs::read_to_string(shipped()).unwrap();
        for key in keys::table() {
            let leaf = key.path.rsplit('.').next().unwrap();
            let set = text
                .lines()
                .any(|line| line.trim_start().starts_with(&format!("{leaf}: ")));
            assert!(set, "{}", key.path);
        }
    }

    #[test]
    fn no_line_of_the_shipped_file_is_wider_than_a_screen() {
        for line in commented_defaults().lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
    }

    #[test]
    fn what_is_not_printable_is_escaped() {
        assert_eq!(quoted("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(quoted("a\n\u{feff}é"), "\"a\\U0000000A\\U0000FEFFé\"");
    }

    fn any_value(kind: KeyKind) -> BoxedStrategy<Value> {
        match kind {
            KeyKind::Flag => any::<bool>().prop_map(Value::from).boxed(),
            KeyKind::Count { min, max } | KeyKind::Size { min, max } => {
                prop_oneof![Just(min), Just(max), min..=max]
                    .prop_map(Value::from)
                    .boxed()
            }
            KeyKind::Number { min, max } => (0..=100)
                .prop_map(move |percent| Value::from(min + (max - min) * f64::from(percent) / 100.0))
                .boxed(),
            KeyKind::Choice(words) => prop::sample::select(words).prop_map(Value::from).boxed(),
            KeyKind::Choices(words) => prop::sample::subsequence(words, 1..=words.len())
                .prop_map(|words| words.into_iter().map(Value::from).collect())
                .boxed(),
            KeyKind::Path => prop_oneof![
                Just(Value::Null),
                "[^~\u{0}][^\u{0}]{0,20}"
                    .prop_filter("blank", |text| !text.trim().is_empty())
                    .prop_map(Value::from),
            ]
            .boxed(),
            KeyKind::OptionalNumber { min, max } => prop_oneof![
                Just(Value::Null),
                (0..=100)
                    .prop_map(move |percent| Value::from(min + (max - min) * f64::from(percent) / 100.0)),
            ]
            .boxed(),
            KeyKind::Text => prop_oneof![
                Just(Value::Null),
                r##"[a-zA-Z0-9:/'"#é-]{1,20}"##.prop_map(Value::from)
            ]
            .boxed(),
            KeyKind::Group => prop::sample::select(vec![Value::Null, "staff".into(), "50".into()]).boxed(),
            KeyKind::Rules => prop::sample::select(vec![
                Value::Array(Vec::new()),
                serde_json::json!([
                    {"users": ["ann"], "groups": ["50"], "role": "write", "prompts": ["pay_"], "labels": null},
                    {"users": [], "groups": ["release"], "role": "write", "prompts": null, "labels": ["production"]},
                ]),
            ])
            .boxed(),
            KeyKind::Loopback => {
                prop::sample::select(vec![Value::Null, "127.0.0.1:9464".into(), "[::1]:0".into()]).boxed()
            }
            KeyKind::Names => prop::collection::vec(r##"[a-zA-Z0-9:/'"#.\[\]-]{1,20}"##, 0..3)
                .prop_map(Value::from)
                .boxed(),
            KeyKind::Mode => prop::sample::select(vec!["0600", "0660", "0777"])
                .prop_map(Value::from)
                .boxed(),
        }
    }

    prop_compose! {
        fn any_config()(values in keys::table().map(|key| any_value(key.kind)).collect::<Vec<_>>()) -> Config {
            let mut tree = keys::values_of(&Config::default());
            for (key, value) in keys::table().zip(values) {
                keys::set_value(&mut tree, key.path, value);
            }
            let mut config: Config = serde_json::from_value(tree).unwrap();
            let storage = &mut config.optimizer.storage.config;
            storage.max_batch_bytes = storage.max_batch_bytes.max(storage.max_file_bytes);
            storage.restart.max_backoff_ms = storage.restart.max_backoff_ms.max(storage.restart.min_backoff_ms);
            let llm = &mut config.optimizer.llm;
            llm.endpoint = llm.model.as_ref().map(|_| "https://models.example/v1".to_owned());
            llm.credential = None;
            llm.max_backoff_ms = llm.max_backoff_ms.max(llm.min_backoff_ms);
            if !llm.budget.has_prices() {
                (llm.budget.max_cost_per_job, llm.budget.max_cost_per_day) = (None, None);
            }
            let tcp = &mut config.daemon.tcp;
            tcp.credential = None;
            if tcp.listen.is_some() && tcp.credential_file.is_none() {
                tcp.credential_file = Some("/etc/promptd/tcp-token".into());
            }
            let limits = &mut config.daemon.limits;
            limits.max_page_items = limits.max_page_items.max(limits.default_page_items);
            config
        }
    }

    proptest! {
        #[test]
        fn what_is_rendered_loads_back_to_an_equal_configuration(config in any_config()) {
            prop_assert_eq!(reload(&config.render_yaml()), config);
        }
    }
}
