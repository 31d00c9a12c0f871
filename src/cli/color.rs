//! When to use colour, and which.

use clap::ValueEnum;

use super::environment::Environment;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`; always when `CLICOLOR_FORCE` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What a piece of text is, which decides how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    /// A heading.
    Heading,
    /// Something of less weight.
    Faint,
    /// Something that was added, or is good.
    Good,
    /// Something that was removed, or is bad.
    Bad,
    /// Something to look at.
    Notice,
    /// A name or a place.
    Name,
}

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette {
    /// Whether to paint at all.
    pub(crate) is_on: bool,
}

impl ColorWhen {
    /// Decides for one output.
    pub(crate) fn palette(self, env: &Environment, is_terminal: bool) -> Palette {
        let is_on = match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => auto(env, is_terminal),
        };
        Palette { is_on }
    }

    /// Finds `--color` among arguments that are not parsed yet, for messages about arguments that cannot be.
    pub(crate) fn of_raw_arguments<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let value = match argument {
                "--" => break,
                "--color" => arguments.next(),
                _ => argument.strip_prefix("--color="),
            };
            if let Some(when) = value.and_then(|value| Self::from_str(value, true).ok()) {
                return when;
            }
        }
        Self::Auto
    }
}

fn auto(env: &Environment, is_terminal: bool) -> bool {
    let forced = env.var("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    let off = env.var("TERM") == Some("dumb") || env.var("CLICOLOR") == Some("0");
    env.var("NO_COLOR").is_none() && (forced || (is_terminal && !off))
}

impl Palette {
    /// No colour.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { is_on: false };

    /// Paints a text.
    pub(crate) fn paint(self, paint: Paint, text: &str) -> String {
        if !self.is_on || text.is_empty() {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Heading => "1",
            Paint::Faint => "2",
            Paint::Good => "32",
            Paint::Bad => "31",
            Paint::Notice => "33",
            Paint::Name => "36",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const N: usize>(vars: [(&str, &str); N], is_terminal: bool, expected: bool) {
        let palette = ColorWhen::Auto.palette(&Environment::of_vars(vars), is_terminal);
        assert_eq!(palette.is_on, expected, "{vars:?} terminal={is_terminal}");
    }

    #[test]
    fn the_usual_variables_decide() {
        check([], true, true);
        check([], false, false);
        check([("NO_COLOR", "1")], true, false);
        check([("NO_COLOR", "")], true, true);
        check([("CLICOLOR_FORCE", "1")], false, true);
        check([("CLICOLOR_FORCE", "0")], false, false);
        check([("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], true, false);
        check([("TERM", "dumb")], true, false);
        check([("CLICOLOR", "0")], true, false);
    }

    #[test]
    fn an_explicit_choice_wins() {
        let env = Environment::of_vars([("NO_COLOR", "1")]);
        assert!(ColorWhen::Always.palette(&env, false).is_on);
        assert!(!ColorWhen::Never.palette(&Environment::default(), true).is_on);
    }

    #[test]
    fn the_choice_is_found_before_the_arguments_are_parsed() {
        let find = |arguments: &[&str]| ColorWhen::of_raw_arguments(arguments.iter().copied());
        assert_eq!(find(&["promptctl", "--color", "never", "x"]), ColorWhen::Never);
        assert_eq!(find(&["promptctl", "x", "--color=always"]), ColorWhen::Always);
        assert_eq!(find(&["promptctl", "--", "--color=always"]), ColorWhen::Auto);
        assert_eq!(find(&["promptctl", "--color=pink"]), ColorWhen::Auto);
    }

    #[test]
    fn nothing_is_painted_without_colour_and_no_empty_text_ever() {
        assert_eq!(Palette::PLAIN.paint(Paint::Good, "x"), "x");
        assert_eq!(
            Palette { is_on: true }.paint(Paint::Good, "x"),
            "\x1b[32mx\x1b[0m"
        );
        assert_eq!(Palette { is_on: true }.paint(Paint::Good, ""), "");
    }
}
