//! Every style of scalar, with the exact bytes.

use super::{Patched, Refusal, Replacement, ScalarStyle, patch_document};
use crate::dify::{Limits, parse_document};

/// Replaces the text at a pointer, whatever it is.
pub(super) fn replace(document: &str, pointer: &str, text: &str) -> Result<String, Refusal> {
    let limits = Limits::default();
    let root = parse_document(document.as_bytes(), &limits).unwrap().root;
    let expected = root
        .pointer(pointer)
        .and_then(|node| node.as_text())
        .unwrap_or_default();
    let replacement = Replacement {
        pointer: pointer.to_owned(),
        expected: expected.to_owned(),
        text: text.to_owned(),
    };
    let Patched { bytes, mut places } = patch_document(document.as_bytes(), &[replacement], &limits).unwrap();
    places.remove(0)?;
    Ok(String::from_utf8(bytes).unwrap())
}

fn check(document: &str, text: &str, expected: &str) {
    let replaced = replace(document, "/k", text);
    assert_eq!(replaced.as_deref(), Ok(expected), "{document:?} <- {text:?}");
}

#[test]
fn a_plain_scalar_stays_plain_while_that_is_safe() {
    check(
        "k: old\nz: 1\n",
        "New text, really.",
        "k: New text, really.\nz: 1\n",
    );
    check("k: old  # why\n", "new", "k: new  # why\n");
    check("k:   old", "new", "k:   new");
    check(
        "k: one\n  two\n\n  three # c\nz: 1\n",
        "new",
        "k: new # c\nz: 1\n",
    );
    check("k:\n  old\nz: 1\n", "new", "k:\n  new\nz: 1\n");
    check("k: old\n", "yes", "k: \"yes\"\n");
    check("k: old\n", "12:30", "k: \"12:30\"\n");
    check("k: old # c\n", "a: b", "k: \"a: b\" # c\n");
    check("k: old\n", "a #b", "k: \"a #b\"\n");
    check("k: old\n", "", "k: \"\"\n");
    check("k: old\n", " x", "k: \" x\"\n");
    check("k: old\n", "a\nb\n", "k: \"a\\nb\\n\"\n");
    check("{k: old, z: 1}\n", "a, b", "{k: \"a, b\", z: 1}\n");
    check("{k: old, z: 1}\n", "a b", "{k: a b, z: 1}\n");
}

#[test]
fn a_single_quoted_scalar_stays_single_quoted_where_it_can() {
    check("k: 'old' # c\n", "it's: new # x", "k: 'it''s: new # x' # c\n");
    check("k: 'old'\nz: 1\n", "a\n\nb", "k: 'a\n\n\n  b'\nz: 1\n");
    check(
        "k: 'one\n\n     two'\nz: 1\n",
        "a\nb\n",
        "k: 'a\n\n     b\n\n     '\nz: 1\n",
    );
    check("k: 'old'\r\nz: 1\r\n", "a\nb", "k: 'a\r\n\r\n  b'\r\nz: 1\r\n");
    check("k: 'old'\n", "a \nb", "k: \"a \\nb\"\n");
    check("k: 'old'\n", "bell \u{7}", "k: \"bell \\u0007\"\n");
    check("k: 'old'\n", "---\n...", "k: '---\n\n  ...'\n");
    check("k: 'old'\n", "", "k: ''\n");
    check("k: 'old'\n", "yes", "k: 'yes'\n");
    check("k:\n    'old'\n", "a\nb", "k:\n    'a\n\n  b'\n");
}

#[test]
fn a_double_quoted_scalar_stays_double_quoted() {
    check(
        "k: \"old\" # c\n",
        "a \"b\"\n\\",
        "k: \"a \\\"b\\\"\\n\\\\\" # c\n",
    );
    check(
        "k: \"one\n  two \\\n  three\"\nz: 1\n",
        "new",
        "k: \"new\"\nz: 1\n",
    );
    check(
        "{\"k\":\"old\",\"z\":1}",
        "\u{1f600}\t\u{2028}",
        "{\"k\":\"\u{1f600}\\t\\u2028\",\"z\":1}",
    );
}

#[test]
fn a_literal_block_keeps_its_indentation_and_ends_as_the_text_does() {
    check("k: |\n  old\nz: 1\n", "a\nb\n", "k: |\n  a\n  b\nz: 1\n");
    check("k: |\n  old\nz: 1\n", "a\n\n\nb", "k: |-\n  a\n\n\n  b\nz: 1\n");
    check("k: |-\n    old\n\n\nz: 1\n", "a\n", "k: |\n    a\n\n\nz: 1\n");
    check("k: |\n  old\n\nz: 1\n", "a\n\n\n", "k: |+\n  a\n\n\nz: 1\n");
    check("k: |+\n  old\n\n\nz: 1\n", "a\n", "k: |+\n  a\nz: 1\n");
    check("k: |+ # c\n  old\n\nz: 1\n", "a", "k: |- # c\n  a\nz: 1\n");
    check(
        "k: | # | c\n\n  old\nz: 1\n",
        "new\n",
        "k: | # | c\n  new\nz: 1\n",
    );
    check("k: &a !!str |\n  old\n", "new\n", "k: &a !!str |\n  new\n");
    check("\"k\": |\n  old\n", "\n\nnew\n", "\"k\": |\n\n\n  new\n");
    check(
        "k: |\r\n  old\r\nz: 1\r\n",
        "a\nb\n",
        "k: |\r\n  a\r\n  b\r\nz: 1\r\n",
    );
    check(
        "k: |-\n  old\nz: 1\n",
        "# a: b\n\t- 'c' \n   \n{{#x.y#}}",
        "k: |-\n  # a: b\n  \t- 'c' \n     \n  {{#x.y#}}\nz: 1\n",
    );
    check(
        "k: |\n  old\n# comment\nz: 1\n",
        "new\n",
        "k: |\n  new\n# comment\nz: 1\n",
    );
    check("k:\n  |\n  old\nz: 1\n", "new\n", "k:\n  |\n  new\nz: 1\n");
}

#[test]
fn a_literal_block_states_its_indentation_when_the_text_begins_with_a_blank() {
    check(
        "k: |\n    old\nz: 1\n",
        "  a\nb\n",
        "k: |4\n      a\n    b\nz: 1\n",
    );
    check("k: |2-\n    old\n  x\nz: 1\n", "a", "k: |2-\n  a\nz: 1\n");
    check("k: |-2\n    old\n  x\nz: 1\n", "\n a\n", "k: |2\n\n   a\nz: 1\n");
    let nested = "a:\n- - |\n    old\n  - 1\n";
    assert_eq!(
        replace(nested, "/a/0/0", "  new\n").as_deref(),
        Ok("a:\n- - |2\n      new\n  - 1\n")
    );
}

#[test]
fn a_block_at_the_end_of_a_document_without_a_line_break_stays_so() {
    check("k: |-\n  old", "new", "k: |-\n  new");
    check("k: |\n  old", "new", "k: |-\n  new");
    check("k: |\n  old", "new\n", "k: |\n  new\n");
    check("k: |\n  old\n  ", "new\n\n", "k: |+\n  new\n\n  ");
    check("k: |\n  old", "a\r", "k: \"a\\r\"\n");
    check("k: |\n  old\n...\n", "new\n", "k: |\n  new\n...\n");
    check("---\nk: |\n  old\n", "---\n", "---\nk: |\n  ---\n");
}

#[test]
fn a_folded_block_doubles_the_line_breaks_that_would_be_joined() {
    check(
        "k: >\n  old\n  more\nz: 1\n",
        "a\nb\n",
        "k: >\n  a\n\n  b\nz: 1\n",
    );
    check("k: >-\n  old\nz: 1\n", "a\n\nb", "k: >-\n  a\n\n\n  b\nz: 1\n");
    check(
        "k: >\n  old\nz: 1\n",
        "a\n  b\nc\n",
        "k: >\n  a\n    b\n  c\nz: 1\n",
    );
    check("k: >\n  old\nz: 1\n", "\na\n\n", "k: >+\n\n  a\n\nz: 1\n");
    check("k: >\n  old\nz: 1\n", " a\nb\n", "k: >2\n   a\n  b\nz: 1\n");
}

#[test]
fn a_text_that_no_block_can_say_is_quoted_on_the_line_of_the_header() {
    check("k: | # c\n  old\n  more\n\nz: 1\n", "", "k: \"\" # c\n\nz: 1\n");
    check("k: |+\n  old\n\nz: 1\n", "\n\n", "k: \"\\n\\n\"\nz: 1\n");
    check("k: >-\n  old\nz: 1\n", "a\rb", "k: \"a\\rb\"\nz: 1\n");
    check(
        "k: &a !!str |\n  old\nz: 1\n",
        "\u{85}",
        "k: &a !!str \"\\u0085\"\nz: 1\n",
    );
}

#[test]
fn the_style_of_before_and_after_is_told() {
    let place = |document: &str, text: &str| {
        let replacement = Replacement {
            pointer: "/k".to_owned(),
            expected: "old".to_owned(),
            text: text.to_owned(),
        };
        let patched = patch_document(document.as_bytes(), &[replacement], &Limits::default()).unwrap();
        let place = patched.places[0].clone().unwrap();
        (place.line, place.old_style, place.new_style, place.is_changed)
    };
    let (plain, double) = (ScalarStyle::Plain, ScalarStyle::DoubleQuoted);
    assert_eq!(place("a: 1\nk: old\n", "yes"), (2, plain, double, true));
    assert_eq!(place("k: old\n", "new"), (1, plain, plain, true));
    assert_eq!(place("k: old\n", "old"), (1, plain, plain, false));
    let literal = ScalarStyle::Literal;
    assert_eq!(place("k: |-\n  old\n", "a\tb"), (2, literal, literal, true));
}

#[test]
fn odd_documents_keep_what_is_odd_about_them() {
    let long = "x".repeat(200_000);
    check(
        &format!("z: {long}\nk: old\n"),
        "new",
        &format!("z: {long}\nk: new\n"),
    );
    check(&format!("k: \"{long}\" # c\n"), "new", "k: \"new\" # c\n");
    check("%YAML 1.2\n---\nk: old\n", "new", "%YAML 1.2\n---\nk: new\n");
    check(
        "\u{feff}k: old\r\nz: |\r\n  1\r\n",
        "new",
        "\u{feff}k: new\r\nz: |\r\n  1\r\n",
    );
    check("? k\n: old\n? z\n: 1\n", "new", "? k\n: new\n? z\n: 1\n");
    check("k:\told\n", "new", "k:\tnew\n");
    check("k: old\t# c\n", "new", "k: new\t# c\n");
    check("k: &a old # c\n", "new", "k: &a new # c\n");
    check("k: !!str old\n", "new", "k: !!str new\n");
    check("k: &a !!str 'old'\n", "new", "k: &a !!str 'new'\n");
    check(
        "{\n  'z' : [ 1 , 2 ] ,\n  k : 'old' , # c\n}\n",
        "new",
        "{\n  'z' : [ 1 , 2 ] ,\n  k : 'new' , # c\n}\n",
    );
    check(
        "k: '\u{1f600} old'\n",
        "\u{1f468}\u{200d}\u{1f469}",
        "k: '\u{1f468}\u{200d}\u{1f469}'\n",
    );
    check("# \u{1f600}\nk: \"old\"\n", "new", "# \u{1f600}\nk: \"new\"\n");
}

#[test]
fn what_is_more_than_one_document_or_has_a_key_twice_is_no_document() {
    for document in [
        "k: old\n---\nk: old\n",
        "k: old\nk: old\n",
        "{k: old, \"k\": old}\n",
    ] {
        let parsed = parse_document(document.as_bytes(), &Limits::default());
        assert!(parsed.is_err(), "{document:?}");
        let place = Replacement {
            pointer: "/k".to_owned(),
            expected: "old".to_owned(),
            text: "new".to_owned(),
        };
        assert!(patch_document(document.as_bytes(), &[place], &Limits::default()).is_err());
    }
}
