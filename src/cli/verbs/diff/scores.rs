//! How scores, sizes and test results moved between two versions.

use crate::cli::table::{Cell, Table};
use crate::evidence::Figures;
use crate::evidence::rules::EvidenceComparison;
use crate::model::PromptVersion;

/// Returns a table of every measure, before and after.
pub(super) fn table(from: &PromptVersion, to: &PromptVersion, evidence: &EvidenceComparison) -> Table {
    let mut table = Table::new(["MEASURE", "BEFORE", "AFTER", "CHANGE"]).numbers([1, 2, 3]);
    let (a, b) = (&from.analysis, &to.analysis);
    let scores = [
        ("overall score", a.overall_score, b.overall_score),
        ("clarity", a.clarity_score, b.clarity_score),
        ("efficiency", a.efficiency_score, b.efficiency_score),
    ];
    for (measure, before, after) in scores {
        let change = Cell::change(after - before);
        table.row([Cell::of(measure), Cell::score(before), Cell::score(after), change]);
    }
    let counts = [
        ("issues", a.issues.len(), b.issues.len()),
        ("characters", characters(from), characters(to)),
        ("words", words(from), words(to)),
        (
            "variables",
            from.prompt.variables.len(),
            to.prompt.variables.len(),
        ),
    ];
    for (measure, before, after) in counts {
        table.row([
            Cell::of(measure),
            Cell::of(before),
            Cell::of(after),
            Cell::of(difference(before, after)),
        ]);
    }
    add_evidence(&mut table, evidence);
    table
}

/// Its name, how it is read, and how many decimals it is shown with.
type Measure = (&'static str, fn(&Figures) -> f64, usize);

/// Adds what was measured, where something was.
fn add_evidence(table: &mut Table, evidence: &EvidenceComparison) {
    let (from, to) = (evidence.from.as_ref(), evidence.to.as_ref());
    if from.is_none() && to.is_none() {
        return;
    }
    let measures: [Measure; 5] = [
        ("test results", |figures| figures.count as f64, 0),
        ("success rate", |figures| figures.success_rate, 3),
        ("seconds (p95)", |figures| figures.p95_execution_time, 3),
        ("tokens a request", |figures| figures.avg_tokens_per_request, 1),
        ("USD a request", |figures| figures.cost_per_request, 6),
    ];
    for (measure, value, decimals) in measures {
        let shown = |figures: Option<&Figures>| figures.map(|one| format!("{:.decimals$}", value(one)));
        let change = from
            .zip(to)
            .map(|(from, to)| format!("{:+.decimals$}", value(to) - value(from)));
        table.row([
            Cell::of(measure),
            Cell::maybe(shown(from)),
            Cell::maybe(shown(to)),
            Cell::maybe(change),
        ]);
    }
}

fn characters(version: &PromptVersion) -> usize {
    version.prompt.text.chars().count()
}

fn words(version: &PromptVersion) -> usize {
    version.prompt.text.split_whitespace().count()
}

fn difference(before: usize, after: usize) -> String {
    let sign = if after < before { '-' } else { '+' };
    format!("{sign}{}", after.abs_diff(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::color::Palette;
    use crate::cli::verbs::diff::example;

    #[test]
    fn every_measure_is_shown_with_its_change() {
        let table = table(
            &example("1.0.0", "one two three", 71.24),
            &example("1.0.1", "one two", 80.0),
            &EvidenceComparison::default(),
        );
        insta::assert_snapshot!(table.for_people(80, Palette::PLAIN), @"
        MEASURE        BEFORE  AFTER  CHANGE
        overall score    71.2   80.0    +8.8
        clarity          50.0   50.0    +0.0
        efficiency       80.0   80.0    +0.0
        issues              0      0      +0
        characters         13      7      -6
        words               3      2      -1
        variables           0      0      +0
        ");
    }
}
