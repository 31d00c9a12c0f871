//! `promptctl rewrite`: what the strategies make of a text.

use clap::Args;

use super::analyze::text_of;
use crate::cli::color::{Paint, Palette};
use crate::cli::exit::{CliError, Exit};
use crate::cli::session::Session;
use crate::cli::verbs::diff::words;
use crate::cli::visible::{visible, visible_line};
use crate::http::wire::{RewriteRequest, RewriteSettings};
use crate::model::OptimizationStrategy;
use crate::optimizer::ScoringProfile;
use crate::optimizer::cycle::{Candidate, Outcome};
use crate::optimizer::strategy::tally;
use crate::versions::compare::word_changes;

const EXAMPLES: &str = "\
Examples:
  promptctl rewrite prompt.txt                           by the configured strategies
  promptctl rewrite greet@production --strategy efficiency_focus --diff
  echo 'Please answer in order to help.' | promptctl rewrite - --strategy clarity_focus --strategy conservative
  promptctl rewrite prompt.txt --min-improvement 0 --text > better.txt

Exit codes: 0 a candidate is accepted, 1 none is.";

/// Rewrite a text by rules, and say what each candidate gains and why it is taken or not
///
/// SOURCE is - for the standard input, a file, or a version NAME@REF, as for analyze. Nothing is stored. A candidate that is
/// refused is shown with every reason.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RewriteArgs {
    /// -, a file, or NAME@REF
    source: String,

    /// What to try; may be given again [default: as configured]
    #[arg(long = "strategy", value_name = "NAME", value_parser = strategy)]
    strategies: Vec<OptimizationStrategy>,

    /// What the scores are made by [default: as configured]
    #[arg(long, value_name = "PROFILE", value_parser = super::analyze::profile)]
    profile: Option<ScoringProfile>,

    /// The least gain that is accepted, in points [default: as configured]
    #[arg(long, value_name = "POINTS")]
    min_improvement: Option<f64>,

    /// The least confidence that is accepted, 0 to 1 [default: as configured]
    #[arg(long, value_name = "SHARE")]
    min_confidence: Option<f64>,

    /// The most rounds of each strategy, 1 to 10 [default: as configured]
    #[arg(long, value_name = "N")]
    max_iterations: Option<usize>,

    /// Show each candidate word by word
    #[arg(long, conflicts_with_all = ["text", "json"])]
    diff: bool,

    /// Print the text of the best accepted candidate and nothing else
    #[arg(long, conflicts_with = "json")]
    text: bool,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,
}

/// Reads the name of a strategy.
pub(super) fn strategy(name: &str) -> Result<OptimizationStrategy, String> {
    OptimizationStrategy::parse(name).ok_or_else(|| {
        let names = OptimizationStrategy::ALL.map(OptimizationStrategy::as_str);
        format!("no strategy has this name; there are {}", names.join(", "))
    })
}

/// Rewrites it.
pub(super) async fn run(args: RewriteArgs, session: &mut Session) -> Result<Exit, CliError> {
    let text = text_of(&args.source, session).await?;
    let request = RewriteRequest {
        text: text.clone(),
        strategies: (!args.strategies.is_empty()).then_some(args.strategies),
        settings: RewriteSettings {
            min_improvement: args.min_improvement,
            min_confidence: args.min_confidence,
            max_iterations: args.max_iterations,
            scoring_profile: args.profile,
            ..RewriteSettings::default()
        },
    };
    let outcome = session.client().rewrite(&request).await?;
    if args.json {
        session.console.json(&outcome)?;
    } else if args.text {
        let best = outcome.best().ok_or_else(|| {
            CliError::new(Exit::Failure, "no candidate is accepted")
                .hint("leave --text away to see the reasons")
        })?;
        session.console.data(&best.text)?;
    } else {
        let shown = render(&text, &outcome, args.diff, session.console.palette);
        session.console.data(shown)?;
    }
    Ok(if outcome.best.is_some() {
        Exit::Success
    } else {
        Exit::Failure
    })
}

fn render(original: &str, outcome: &Outcome, with_diff: bool, palette: Palette) -> String {
    let scores = &outcome.original;
    let mut text = format!(
        "{}  clarity {:.1}, efficiency {:.1}\n",
        palette.paint(Paint::Heading, &format!("score {:.1}", scores.overall_score)),
        scores.clarity_score,
        scores.efficiency_score
    );
    for (index, candidate) in outcome.candidates.iter().enumerate() {
        text.push('\n');
        text.push_str(&heading(candidate, outcome.best == Some(index), palette));
        let changes = tally(&candidate.changes);
        if !changes.is_empty() {
            let listed: Vec<String> = changes
                .iter()
                .map(|(rule, count)| format!("{rule} {count}"))
                .collect();
            text.push_str(&format!(
                "  {}\n",
                palette.paint(Paint::Faint, &visible_line(&listed.join(", ")))
            ));
        }
        for reason in candidate.decision.reasons() {
            text.push_str(&format!("  {}\n", visible_line(&reason.to_string())));
        }
        if with_diff && candidate.text != original {
            let changes = word_changes(&visible(original), &visible(&candidate.text));
            text.push_str(&words::render(&changes, palette));
        }
    }
    text
}

fn heading(candidate: &Candidate, is_best: bool, palette: Palette) -> String {
    let mut name = candidate.requested.as_str().to_owned();
    if candidate.strategy != candidate.requested {
        name.push_str(&format!(" as {}", candidate.strategy.as_str()));
    }
    if candidate.round > 1 {
        name.push_str(&format!(", round {}", candidate.round));
    }
    let (word, paint) = match (candidate.decision.is_accepted(), is_best) {
        (true, true) => ("accepted, the best", Paint::Good),
        (true, false) => ("accepted", Paint::Good),
        (false, _) => ("refused", Paint::Notice),
    };
    format!(
        "{}  {:.1} ({:+.1}), clarity {:+.1}, efficiency {:+.1}, confidence {:.2}: {}\n",
        palette.paint(Paint::Name, &name),
        candidate.analysis.overall_score,
        candidate.gain.overall,
        candidate.gain.clarity,
        candidate.gain.efficiency,
        candidate.confidence,
        palette.paint(paint, word)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::{OptimizationSettings, cycle};

    #[test]
    fn a_name_is_a_strategy_or_the_names_are_listed() {
        assert_eq!(strategy("hybrid"), Ok(OptimizationStrategy::Hybrid));
        assert!(
            strategy("clarity")
                .unwrap_err()
                .ends_with("llm_efficiency, hybrid")
        );
    }

    #[test]
    fn candidates_are_shown_with_their_gain_their_changes_and_their_reasons() {
        let text = "Please answer {{q}} in order to help.";
        let strategies = vec![
            OptimizationStrategy::EfficiencyFocus,
            OptimizationStrategy::StructureFocus,
        ];
        let settings = OptimizationSettings {
            strategies,
            min_baseline_score: 100.0,
            ..Default::default()
        };
        let outcome = cycle::run("p", text, settings, None);
        insta::assert_snapshot!(render(text, &outcome, true, Palette::PLAIN), @r"
        score 91.9  clarity 100.0, efficiency 79.9

        efficiency_focus  100.0 (+8.1), clarity +0.0, efficiency +20.1, confidence 0.70: accepted, the best
          courtesy 1, wordy-phrase 1
        @@ line 1 @@
        [-Please answer {{q}} in order-]{+Answer {{q}}+} to help.

        structure_focus  91.9 (+0.0), clarity +0.0, efficiency +0.0, confidence 0.50: refused
          the text is that of the original
        ");
    }
}
