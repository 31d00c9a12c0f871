//! Names of the files of an outbox.

use crate::dify::workflow_slug;

/// The file that says what is in an outbox.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The file that gathers the results.
pub const RESULTS_FILE: &str = "results.jsonl";

/// The longest part of a file name that is taken as it is.
const MAX_PART_LEN: usize = 100;

/// Returns the name of the document of a variant: `bot.variant.yml`. An id that is no harmless part of a file name is cut down
/// and hashed, so the name never leaves its directory and never begins with a dot.
#[must_use]
pub fn document_name(workflow: &str, variant: &str, source: &str) -> String {
    let ending = source
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let ending = match ending.as_deref() {
        Some("json") => "json",
        Some("yaml") => "yaml",
        _ => "yml",
    };
    format!("{}.{}.{ending}", part(workflow), part(variant))
}

fn part(name: &str) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'@' | b'+');
    let is_harmless = name.len() <= MAX_PART_LEN
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(is_plain)
        && !name.contains("..")
        && !name.ends_with('.');
    if is_harmless {
        return name.to_owned();
    }
    // Short names that the slug would keep come here only when they are odd in another way.
    workflow_slug(name, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variant: &str, expected: &str) {
        let name = document_name("bot", variant, "bot.yml");
        assert!(
            name == expected || (expected.ends_with('*') && name.starts_with(expected.trim_end_matches('*'))),
            "{variant:?}: {name}"
        );
        assert!(
            !name.contains(['/', '\0']) && !name.contains("..") && name.len() < 160,
            "{name}"
        );
    }

    #[test]
    fn no_variant_id_leads_out_of_the_outbox() {
        check("default", "bot.default.yml");
        check("1_system_0@1.1.0-opt.2", "bot.1_system_0@1.1.0-opt.2.yml");
        check("../../etc/passwd", "bot.etc-passwd-*");
        check(".hidden", "bot.hidden-*");
        check("a b", "bot.a-b-*");
        check("甲", "bot.workflow-*");
        check("", "bot.workflow-*");
        check("x\0y", "bot.x-y-*");
        check(&"long".repeat(100), "bot.longlong*");
    }

    #[test]
    fn different_ids_have_different_names_and_the_ending_stays() {
        let names = ["a b", "a-b", "a/b", "甲", "乙"].map(|id| document_name("bot", id, "x.JSON"));
        assert_eq!(
            names.iter().collect::<std::collections::HashSet<_>>().len(),
            names.len()
        );
        assert!(names.iter().all(|name| name.ends_with(".json")));
        assert_eq!(document_name("bot", "v", "bot"), "bot.v.yml");
    }
}
