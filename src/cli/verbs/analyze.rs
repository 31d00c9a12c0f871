//! `promptctl analyze`: how good a text is.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use crate::cli::color::{Paint, Palette};
use crate::cli::exit::{CliError, Exit};
use crate::cli::files;
use crate::cli::session::Session;
use crate::cli::visible::visible_line;
use crate::model::{IssueSeverity, PromptAnalysis, VersionRef};
use crate::optimizer::ScoringProfile;

const EXAMPLES: &str = "\
Examples:
  promptctl analyze prompt.txt
  promptctl analyze greet@production
  promptctl analyze greet@production --profile balanced
  echo 'Maybe summarise some of it.' | promptctl analyze -";

/// Score a text, and say what is wrong with it and what would help
///
/// SOURCE is - for the standard input, a file, or a version NAME@REF. A name that is both a file and a prompt means the
/// file; NAME@latest is always the prompt. Nothing is stored.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AnalyzeArgs {
    /// -, a file, or NAME@REF
    source: String,

    /// What the scores are made by: reference, as stored versions are scored, or balanced
    #[arg(long, value_name = "PROFILE", default_value = "reference", value_parser = profile)]
    profile: ScoringProfile,

    /// Print the analysis as JSON
    #[arg(long)]
    json: bool,
}

/// What the argument means.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    File,
    Version(VersionRef),
}

/// Scores it.
pub(super) async fn run(args: AnalyzeArgs, session: &mut Session) -> Result<Exit, CliError> {
    let text = text_of(&args.source, session).await?;
    let analysis = session.client().analyze(&text, args.profile).await?;
    if args.json {
        session.console.json(&analysis)?;
    } else {
        let text = render(&analysis, session.console.palette);
        session.console.data(text)?;
    }
    Ok(Exit::Success)
}

/// Returns the text that an argument names: the standard input, a file, or a version.
pub(super) async fn text_of(argument: &str, session: &Session) -> Result<String, CliError> {
    match source(argument, Path::exists)? {
        Source::File => files::read_text(Path::new(argument)),
        Source::Version(reference) => {
            let client = session.client();
            let document = client.version(&reference.prompt_id, &reference.selector).await?;
            Ok(document.parse()?.prompt.text)
        }
    }
}

/// Reads the name of a profile.
pub(super) fn profile(name: &str) -> Result<ScoringProfile, String> {
    let all = ScoringProfile::ALL;
    let found = all.into_iter().find(|profile| profile.as_str() == name);
    found.ok_or_else(|| format!("there are {}", all.map(ScoringProfile::as_str).join(" and ")))
}

fn source(argument: &str, exists: impl Fn(&Path) -> bool) -> Result<Source, CliError> {
    if argument == "-" || argument.contains('/') || (!argument.contains('@') && exists(Path::new(argument))) {
        return Ok(Source::File);
    }
    argument
        .parse()
        .map(Source::Version)
        .map_err(|error| CliError::usage(format!("{argument} is no file, and as a version: {error}")))
}

fn render(analysis: &PromptAnalysis, palette: Palette) -> String {
    let mut text = format!(
        "{}  clarity {:.1}, efficiency {:.1}\n",
        palette.paint(Paint::Heading, &format!("score {:.1}", analysis.overall_score)),
        analysis.clarity_score,
        analysis.efficiency_score
    );
    let facts: Vec<String> = analysis
        .metadata
        .iter()
        .filter_map(|(key, value)| Some(format!("{} {}", fact(value)?, key.replace('_', " "))))
        .collect();
    if !facts.is_empty() {
        text.push_str(&palette.paint(Paint::Faint, &facts.join(", ")));
        text.push('\n');
    }
    push_list(
        &mut text,
        "issues",
        analysis.issues.iter().map(|issue| {
            let (word, paint) = severity(issue.severity);
            let advice = issue
                .suggestion
                .as_deref()
                .map(|advice| format!(" ({})", visible_line(advice)));
            let description = visible_line(&issue.description);
            format!(
                "{} {description}{}",
                palette.paint(paint, word),
                advice.unwrap_or_default()
            )
        }),
        palette,
    );
    push_list(
        &mut text,
        "suggestions",
        analysis.suggestions.iter().map(|suggestion| {
            let priority = palette.paint(Paint::Name, &format!("{:>2}", suggestion.priority));
            format!("{priority} {}", visible_line(&suggestion.description))
        }),
        palette,
    );
    text
}

/// Returns a number: whole, or with one digit.
fn fact(value: &Value) -> Option<String> {
    if value.is_u64() {
        return Some(value.to_string());
    }
    value.as_f64().map(|number| format!("{number:.1}"))
}

fn push_list(text: &mut String, name: &str, items: impl Iterator<Item = String>, palette: Palette) {
    let mut is_first = true;
    for item in items {
        if is_first {
            text.push_str(&format!("\n{}\n", palette.paint(Paint::Heading, name)));
            is_first = false;
        }
        text.push_str(&format!("  {item}\n"));
    }
}

fn severity(severity: IssueSeverity) -> (&'static str, Paint) {
    match severity {
        IssueSeverity::Critical => ("critical", Paint::Bad),
        IssueSeverity::Warning => ("warning ", Paint::Notice),
        IssueSeverity::Info => ("info    ", Paint::Faint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(argument: &str, file_exists: bool, expected: Option<&Source>) {
        assert_eq!(
            source(argument, |_| file_exists).ok().as_ref(),
            expected,
            "{argument}"
        );
    }

    #[test]
    fn an_argument_is_a_file_where_there_is_one_and_a_version_otherwise() {
        let version = |text: &str| Source::Version(text.parse().unwrap());
        check("-", false, Some(&Source::File));
        check("greet", true, Some(&Source::File));
        check("greet", false, Some(&version("greet")));
        check("greet@latest", true, Some(&version("greet@latest")));
        check("./greet@latest", false, Some(&Source::File));
        check("no such thing", false, None);
    }

    #[test]
    fn the_analysis_reads_from_the_score_to_the_advice() {
        let analysis = crate::optimizer::analyze("p", "Maybe summarise some stuff, etc.", 0);
        insta::assert_snapshot!(render(&analysis, Palette::PLAIN), @r#"
        score 57.8  clarity 53.0, efficiency 65.0
        32 character count, 5 word count, 1 sentence count, 8.0 estimated tokens, 5.6 avg word length, 5.0 avg sentence length, 0 variable count

        issues
          warning  Vague wording: "maybe", "some", "stuff", "etc". (Name the exact things, amounts or conditions that are meant.)
          warning  No verb says what is to be done. (State the task with a verb, such as "summarize", "extract" or "classify".)

        suggestions
           9 Replace "maybe", "some", "stuff", "etc" by what exactly is meant.
        "#);
    }
}
