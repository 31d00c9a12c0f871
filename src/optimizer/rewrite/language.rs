//! Which language a line is written in, as far as a rule must know.

use super::pattern::pattern;
use regex::Regex;
use std::sync::LazyLock;

/// The language of a line, or of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English, or nothing that speaks against it.
    English,
    /// Chinese: Han characters and neither kana nor hangul.
    Chinese,
    /// Another language, or none that is known. Of a rule: it needs no language.
    Any,
}

/// Short words that stand in nearly every English sentence.
const ENGLISH: &[&str] = &[
    "the", "a", "an", "and", "or", "of", "to", "is", "are", "be", "for", "with", "that", "this", "you",
    "your", "it", "if", "not", "do", "from", "by", "as", "on", "at", "in", "please", "should", "must",
    "will", "can",
];

/// The same of other languages in Latin script; words that are English too are left out.
const FOREIGN: &[&str] = &[
    "der", "das", "und", "nicht", "ist", "ein", "eine", "mit", "von", "zu", "auf", "im", "sie", "bitte",
    "den", "dem", "le", "la", "les", "des", "et", "est", "une", "pour", "dans", "que", "qui", "vous", "sur",
    "du", "ne", "pas", "el", "los", "las", "una", "para", "por", "es", "y", "con", "del", "se", "su", "il",
    "di", "che", "per", "non", "sono", "della", "o", "os", "um", "uma", "com", "em", "não", "het", "een",
    "van", "niet", "op", "och", "att", "som", "det", "og", "på", "i", "ja", "nie", "w", "na", "jest", "ve",
    "bir", "yang", "dan", "untuk", "saya", "och", "är", "für", "les", "à", "más", "você", "é",
];

static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[\p{L}\p{M}]+"));

impl Language {
    /// Tells the language of a line by its script, and in Latin script by its short words.
    ///
    /// A line of Latin letters counts as English unless it has letters beyond ASCII in too many of its words, or at
    /// least as many short words of other languages as English ones. Doubt therefore ends in [`Language::Any`], to
    /// which no rule of words applies.
    #[must_use]
    pub fn of(line: &str) -> Self {
        let mut scripts = Scripts::default();
        line.chars().for_each(|c| scripts.count(c));
        if scripts.other > 0 && scripts.other * 4 > scripts.latin + scripts.han {
            return Self::Any;
        }
        if scripts.han > 0 && scripts.han * 4 >= scripts.latin {
            return if scripts.kana == 0 {
                Self::Chinese
            } else {
                Self::Any
            };
        }
        if scripts.latin == 0 || scripts.kana > 0 {
            return Self::Any;
        }
        let (mut words, mut english, mut foreign, mut accented) = (0, 0, 0, 0);
        for word in WORD.find_iter(line) {
            let word = word.as_str().to_lowercase();
            words += 1;
            // "I" is English, "i" is Scandinavian or Polish; in lower case they cannot be told apart.
            english += usize::from(ENGLISH.contains(&word.as_str()));
            foreign += usize::from(word != "i" && FOREIGN.contains(&word.as_str()));
            accented += usize::from(word.chars().any(|c| !c.is_ascii() && !is_han(c)));
        }
        if accented * 8 > words + 4 * english || (foreign > 0 && foreign >= english) {
            Self::Any
        } else {
            Self::English
        }
    }
}

#[derive(Default)]
struct Scripts {
    latin: usize,
    han: usize,
    kana: usize,
    other: usize,
}

impl Scripts {
    fn count(&mut self, c: char) {
        if is_han(c) {
            self.han += 1;
        } else if is_kana(c) {
            self.kana += 1;
        } else if c.is_ascii_alphabetic() || ('\u{C0}'..='\u{24F}').contains(&c) {
            self.latin += 1;
        } else if c.is_alphabetic() {
            self.other += 1;
        }
    }
}

/// Tells whether a character is a Chinese one (also used in Japanese).
#[must_use]
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3134F}' | '々' | '〇')
}

/// Tells whether a character is written only in Japanese or Korean.
pub(in crate::optimizer) fn is_kana(c: char) -> bool {
    matches!(c, '\u{3041}'..='\u{30FA}' | '\u{31F0}'..='\u{31FF}' | '\u{AC00}'..='\u{D7AF}' | '\u{1100}'..='\u{11FF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: Language) {
        assert_eq!(Language::of(line), expected, "{line:?}");
    }

    #[test]
    fn english_lines_are_known_even_when_short() {
        check("Answer in order to help the user.", Language::English);
        check("Write short answers.", Language::English);
        check("I want you to act as a linguist.", Language::English);
        check("Describe the café in {{city}}.", Language::English);
        check(
            "Say 你好 to the user, and then go on in English.",
            Language::English,
        );
    }

    #[test]
    fn chinese_lines_are_known_beside_latin_names() {
        check("你是一个App的客服，请回复用户。", Language::Chinese);
        check("采用 Markdown 输出解答", Language::Chinese);
    }

    #[test]
    fn other_languages_are_none_that_a_rule_may_touch() {
        for line in [
            "Antworte bitte in der Sprache des Nutzers.",
            "Répondez à la question de l'utilisateur.",
            "Responde en el idioma del usuario.",
            "ユーザーの質問に日本語で答えてください。",
            "사용자의 질문에 답하세요.",
            "Ответь на вопрос пользователя.",
            "أجب عن سؤال المستخدم",
            "",
            "123 {{}} --",
        ] {
            check(line, Language::Any);
        }
    }
}
