//! Every strategy on every prompt of the shared workflow documents, where they are present, and the table of
//! docs/scoring.md, which is made from them.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use super::profile::ScoringProfile;
use super::rewrite::Protected;
use super::rewrite::tests::processor_time;
use super::settings::OptimizationSettings;
use super::{cycle, references_in, strategy};
use crate::dify::{ExtractOptions, extract};
use crate::model::OptimizationStrategy;

const TABLE_BEGINS: &str =
    "<!-- table: made by `UPDATE_SCORING_TABLE=1 cargo test --lib optimizer::corpus` -->\n";
const TABLE_ENDS: &str = "<!-- end of table -->\n";

struct Sample {
    file: String,
    pointer: String,
    text: String,
}

/// Returns every prompt of the documents beside the checkout, or one level higher for a worktree.
fn samples() -> Vec<Sample> {
    let root = env!("CARGO_MANIFEST_DIR");
    let folders =
        ["../shared/data/dify_dsl", "../../shared/data/dify_dsl"].map(|path| PathBuf::from(root).join(path));
    let Some(folder) = folders.into_iter().find(|folder| folder.is_dir()) else {
        eprintln!("the shared workflow documents are not present: nothing was compared");
        return Vec::new();
    };
    let mut samples = Vec::new();
    for part in ["", "synthetic"] {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder.join(part))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        for path in files
            .iter()
            .filter(|path| path.extension().is_some_and(|e| e == "yml"))
        {
            let bytes = std::fs::read(path).unwrap();
            let file = path.strip_prefix(&folder).unwrap().display().to_string();
            for prompt in extract(&bytes, &ExtractOptions::default()).unwrap().prompts {
                let (file, pointer) = (file.clone(), prompt.pointer.to_string());
                samples.push(Sample {
                    file,
                    pointer,
                    text: prompt.text,
                });
            }
        }
    }
    assert!(samples.len() > 40, "the collection is incomplete");
    samples
}

#[test]
fn every_strategy_keeps_references_and_protected_parts_of_real_prompts_and_comes_to_rest() {
    let samples = samples();
    let mut spent = Duration::ZERO;
    for Sample { file, pointer, text } in &samples {
        for strategy in strategy::RULE_STRATEGIES {
            let began = processor_time();
            let done = strategy::apply(strategy, text).unwrap();
            spent += processor_time() - began;
            assert_eq!(
                references_in(&done.text),
                references_in(text),
                "{file} {pointer} {strategy:?}"
            );
            let again = strategy::apply(strategy, &done.text).unwrap();
            assert!(
                again.changes.is_empty(),
                "{file} {pointer} {strategy:?}: {:?}",
                again.changes
            );
            let mut at = 0;
            for range in Protected::of(text).ranges() {
                let part = &text[range];
                let found = done.text[at..].find(part);
                at += found.unwrap_or_else(|| panic!("{file} {pointer}: {part:?} is gone")) + part.len();
            }
        }
    }
    eprintln!("{} prompts, four strategies: {spent:?}", samples.len());
    assert!(spent < Duration::from_secs(30), "{spent:?}");
}

fn settings(strategy: OptimizationStrategy) -> OptimizationSettings {
    OptimizationSettings {
        strategies: vec![strategy],
        min_baseline_score: 100.0,
        ..OptimizationSettings::default()
    }
}

fn score(profile: ScoringProfile, text: &str) -> f64 {
    profile.analyze("p", text, 0).overall_score
}

/// Returns the table, and what it comes to in a few sentences.
fn table(samples: &[Sample]) -> String {
    let mut rows = String::from(
        "| file, field | characters | reference | balanced | conservative | clarity_focus | efficiency_focus | structure_focus |\n\
         |---|---:|---:|---:|---|---|---|---|\n",
    );
    let mut seen = HashSet::new();
    let mut totals: BTreeMap<usize, [usize; 5]> = BTreeMap::new();
    let (mut prompts, mut shown) = (0, 0);
    for Sample { file, pointer, text } in samples.iter().filter(|s| !s.file.contains('/')) {
        if !seen.insert(text.as_str()) {
            continue;
        }
        prompts += 1;
        let before = ScoringProfile::ALL.map(|profile| score(profile, text));
        let mut row = format!(
            "| {} `{}` | {} | {:.1} | {:.1} |",
            file.split('_').next().unwrap_or_default(),
            pointer.trim_start_matches("/workflow/graph"),
            text.chars().count(),
            before[0],
            before[1]
        );
        for (index, strategy) in strategy::RULE_STRATEGIES.into_iter().enumerate() {
            let outcome = cycle::run("p", text, settings(strategy), None);
            // A prompt at 100 is not rewritten by the cycle; what the rules would do to it counts all the same.
            let done = strategy::apply(strategy, text).unwrap().text;
            let after = ScoringProfile::ALL.map(|profile| score(profile, &done));
            let is_accepted = outcome.best.is_some();
            let total = totals.entry(index).or_default();
            total[0] += usize::from(done != *text);
            total[1] += usize::from(after[1] > before[1] + 1e-9);
            total[2] += usize::from(after[1] < before[1] - 1e-9);
            total[3] += usize::from(after[0] < before[0] - 1e-9);
            total[4] += usize::from(is_accepted);
            let mark = if is_accepted { " **yes**" } else { "" };
            if done == *text {
                row.push_str(" same |");
            } else {
                row.push_str(&format!(
                    " {:+.1}, ref {:+.1}{mark} |",
                    after[1] - before[1],
                    after[0] - before[0]
                ));
            }
        }
        if text.chars().count() >= 100 {
            shown += 1;
            rows.push_str(&row);
            rows.push('\n');
        }
    }
    rows.push_str(&format!(
        "\nOf {prompts} different prompts ({shown} of at least 100 characters are in the table):\n\n"
    ));
    for (index, [changed, up, down, reference_down, accepted]) in totals {
        let name = serde_json::to_value(strategy::RULE_STRATEGIES[index]).unwrap();
        rows.push_str(&format!(
            "- `{}` changes {changed}; balanced rises in {up} and falls in {down}; reference falls in {reference_down}; \
             {accepted} are accepted with the default minima.\n",
            name.as_str().unwrap()
        ));
    }
    rows
}

#[test]
fn the_table_of_real_prompts_is_what_the_code_makes() {
    let samples = samples();
    if samples.is_empty() {
        return;
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scoring.md");
    let document = std::fs::read_to_string(path).unwrap();
    let (head, rest) = document.split_once(TABLE_BEGINS).unwrap();
    let (written, tail) = rest.split_once(TABLE_ENDS).unwrap();
    let made = format!("\n{}\n", table(&samples));
    if std::env::var_os("UPDATE_SCORING_TABLE").is_some() {
        std::fs::write(path, format!("{head}{TABLE_BEGINS}{made}{TABLE_ENDS}{tail}")).unwrap();
        return;
    }
    assert_eq!(
        written, made,
        "docs/scoring.md is not up to date: see the comment above its table"
    );
}
