//! Chinese phrases with a shorter form of the same meaning.

use std::sync::LazyLock;

use regex::Regex;

use super::{Kind, Rule};
use crate::optimizer::rewrite::Edit;
use crate::optimizer::rewrite::language::Language;
use crate::optimizer::rewrite::pattern::pattern;
use crate::optimizer::rewrite::source::Source;

/// Long form, short form.
#[rustfmt::skip]
const WORDY: &[(&str, &str)] = &[
    ("是否能够", "能否"), ("在此基础之上", "在此基础上"), ("非常非常", "非常"), 
    ("请务必一定要", "请务必"), ("务必一定要", "务必"), ("必须一定要", "必须"), ("涉及到", "涉及"),
];

/// Verbs that can stand alone.
const ACTS: &str =
    "回复|回答|分析|判断|总结|处理|描述|分类|检查|翻译|修改|整理|归纳|提取|解释|说明|生成|撰写";

/// Shortens Chinese phrases. 帮我 goes where it stands between 请 and a verb at the beginning of a sentence.
///
/// ```
/// use promptd::optimizer::rewrite::rules::CHINESE_WORDY;
/// assert_eq!(CHINESE_WORDY.apply("请帮我判断是否能够回答。"), "请判断能否回答。");
/// assert_eq!(CHINESE_WORDY.apply("对图片进行分析。"), "对图片进行分析。");
/// ```
pub static CHINESE_WORDY: Rule = Rule {
    id: "chinese-wordy",
    summary: "Replaces a wordy Chinese phrase by a short one.",
    kind: Kind::Wording,
    language: Language::Chinese,
    find: chinese_wordy,
};

fn chinese_wordy(source: &Source<'_>) -> Vec<Edit> {
    static PHRASE: LazyLock<Regex> = LazyLock::new(|| {
        let mut long: Vec<&str> = WORDY.iter().map(|(long, _)| *long).collect();
        long.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
        pattern(&long.join("|"))
    });
    static ACT: LazyLock<Regex> =
        LazyLock::new(|| pattern(&format!("(?:^|[。！？])\\s*请(您?帮我)(?:{ACTS})")));
    let mut edits = Vec::new();
    for (line, text) in source.lines_in(Language::Chinese) {
        for found in PHRASE.find_iter(text) {
            let short = WORDY.iter().find(|(long, _)| *long == found.as_str());
            let range = line.range.start + found.start()..line.range.start + found.end();
            edits.extend(short.map(|(_, short)| Edit::new(range, *short)));
        }
        for found in ACT.captures_iter(text) {
            let act = found.get(1);
            edits.extend(
                act.map(|act| Edit::delete(line.range.start + act.start()..line.range.start + act.end())),
            );
        }
    }
    edits
}
