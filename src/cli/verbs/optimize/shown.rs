//! What came of a file, as people see it: its prompts, and beneath each what was made of it.

use std::path::Path;

use super::Done;
use super::apply::Applied;
use super::report::{decision, note, stepped_over, strategy, strategy_of};
use crate::cli::color::{Paint, Palette};
use crate::cli::visible::visible_line;
use crate::cli::wording::counted;
use crate::jobs::CandidateReport;
use crate::jobs::OptimizedPrompt;

/// Renders a file. Prompts that score well are only counted: most of a workflow does.
pub(super) fn file(file: &Path, done: &Done, palette: Palette) -> String {
    let mut shown = title(file, palette);
    for failed in &done.result.failed {
        shown += &failure(Some(failed.prompt_id.as_str()), &failed.message, palette);
    }
    if let Some(error) = done.error.as_ref().filter(|_| done.result.failed.is_empty()) {
        shown += &failure(None, error, palette);
    }
    if done.result.total == 0 {
        shown += "  no prompts\n";
    }
    let mut well: Vec<&OptimizedPrompt> = Vec::new();
    for prompt in &done.result.prompts {
        match &prompt.left_alone {
            Some(reason) if reason.starts_with("it scores ") => well.push(prompt),
            _ => {
                let applied = done.applied.iter().find(|one| one.prompt_id == prompt.prompt_id);
                shown += &one_prompt(prompt, applied, palette);
            }
        }
    }
    shown += &left_alone(&well, palette);
    shown
}

/// Renders a file that could not be done.
pub(super) fn failed_file(file: &Path, message: &str, palette: Palette) -> String {
    title(file, palette) + &failure(None, message, palette)
}

fn title(file: &Path, palette: Palette) -> String {
    let name = visible_line(&file.display().to_string());
    format!("{}\n", palette.paint(Paint::Heading, &name))
}

fn failure(name: Option<&str>, message: &str, palette: Palette) -> String {
    let name = name.map(|name| format!("{name} ")).unwrap_or_default();
    let failed = palette.paint(Paint::Bad, "failed");
    format!("  {name}{failed}: {}\n", visible_line(message))
}

fn one_prompt(prompt: &OptimizedPrompt, applied: Option<&Applied>, palette: Palette) -> String {
    let name = palette.paint(Paint::Name, prompt.prompt_id.as_str());
    let mut shown = format!("  {name}\n");
    if let Some(reason) = &prompt.left_alone {
        shown += &format!("    left alone: {reason}\n");
    }
    for given_up in &prompt.skipped {
        let plan = strategy(given_up.requested, given_up.strategy, given_up.round);
        let word = palette.paint(Paint::Bad, "given up");
        shown += &format!("    {plan:<26} {word}\n");
        shown += &reason(&given_up.reason, palette);
    }
    for (index, candidate) in prompt.candidates.iter().enumerate() {
        let is_best = prompt.best == Some(index);
        let promoted = applied.filter(|one| candidate.version.as_ref() == Some(&one.candidate));
        let stepped = applied.and_then(|all| stepped_over(all, candidate));
        shown += &one_candidate(candidate, is_best, (promoted, stepped), palette);
    }
    shown
}

fn one_candidate(
    candidate: &CandidateReport,
    is_best: bool,
    (applied, stepped): (Option<&Applied>, Option<&str>),
    palette: Palette,
) -> String {
    let word = decision(candidate, is_best, applied, stepped);
    let paint = match word {
        "refused" => Paint::Faint,
        "not promoted" => Paint::Bad,
        _ => Paint::Good,
    };
    let release = applied.and_then(|one| one.release.as_ref());
    let version = release.or(candidate.version.as_ref()).map(ToString::to_string);
    // Padded before it is painted: the codes of a colour have no width.
    let word = palette.paint(paint, &format!("{word:<12}"));
    let line = format!(
        "    {:<26} {:>5.1} -> {:>5.1}  {:.2}  {word}  {}",
        strategy_of(candidate),
        candidate.before.overall,
        candidate.after.overall,
        candidate.confidence,
        version.unwrap_or_default()
    );
    let note = note(candidate, applied, stepped);
    let reasons: String = note
        .split("; ")
        .filter(|text| !text.is_empty())
        .map(|text| reason(text, palette))
        .collect();
    format!("{}\n{reasons}", line.trim_end())
}

fn reason(text: &str, palette: Palette) -> String {
    format!("      {}\n", palette.paint(Paint::Faint, &visible_line(text)))
}

fn left_alone(well: &[&OptimizedPrompt], palette: Palette) -> String {
    let least = well
        .iter()
        .find_map(|prompt| prompt.left_alone.as_ref()?.rsplit_once(", and "));
    let Some((_, least)) = least else {
        return String::new();
    };
    let scores = || well.iter().map(|prompt| prompt.score.overall);
    let (low, high) = (
        scores().fold(f64::INFINITY, f64::min),
        scores().fold(0.0, f64::max),
    );
    let count = counted(well.len() as u64, "prompt");
    let scored = match (format!("{low:.1}"), format!("{high:.1}")) {
        (low, high) if low == high => low,
        (low, high) => format!("{low} to {high}"),
    };
    let line = format!("{count} left alone, scored {scored}: {least}");
    format!("  {}\n", palette.paint(Paint::Faint, &line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::OptimizeResult;
    use serde_json::json;

    fn candidate(strategy: &str, after: f64, reasons: &[&str]) -> serde_json::Value {
        let score = |overall: f64| json!({"overall": overall, "clarity": 0.0, "efficiency": 0.0});
        json!({"version": "1.1.0-opt.1", "created": true, "requested": "auto", "strategy": strategy, "round": 1,
            "improvement": after - 62.0, "confidence": 0.75, "accepted": reasons.is_empty(), "reasons": reasons,
            "before": score(62.0), "after": score(after), "text": null})
    }

    fn prompt(
        id: &str,
        score: f64,
        left_alone: Option<&str>,
        candidates: &[serde_json::Value],
    ) -> serde_json::Value {
        json!({"prompt_id": id, "pointer": "", "kind": "", "from": null, "imported": false,
            "score": {"overall": score, "clarity": 0.0, "efficiency": 0.0}, "left_alone": left_alone,
            "candidates": candidates, "best": (!candidates.is_empty()).then_some(0)})
    }

    #[test]
    fn a_report_fits_a_terminal_of_eighty_columns_and_counts_what_is_well() {
        let well = "it scores 92.0, and min_baseline_score is 80";
        let prompts = [
            prompt(
                "bot_1721117961155_system_0",
                62.0,
                None,
                &[
                    candidate("efficiency_focus", 100.0, &[]),
                    candidate(
                        "structure_focus",
                        60.0,
                        &["the score does not rise (-2.00 points)"],
                    ),
                ],
            ),
            prompt("bot_2_user_0", 92.0, Some(well), &[]),
            prompt("bot_3_user_0", 100.0, Some(well), &[]),
        ];
        let result = OptimizeResult {
            total: 3,
            prompts: prompts
                .map(|prompt| serde_json::from_value(prompt).unwrap())
                .into(),
            ..OptimizeResult::default()
        };
        let done = Done {
            document: Vec::new(),
            result,
            error: None,
            applied: Vec::new(),
        };
        let shown = file(Path::new("翻译 流程.yml"), &done, Palette::PLAIN);
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        insta::assert_snapshot!(shown, @r"
        翻译 流程.yml
          bot_1721117961155_system_0
            efficiency_focus (auto)     62.0 -> 100.0  0.75  best          1.1.0-opt.1
            structure_focus (auto)      62.0 ->  60.0  0.75  refused       1.1.0-opt.1
              the score does not rise (-2.00 points)
          2 prompts left alone, scored 92.0 to 100.0: min_baseline_score is 80
        ");
    }
}
