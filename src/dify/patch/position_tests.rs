//! Where a scalar can stand, what is refused, and several replacements at once.

use super::style_tests::replace;
use super::{PatchError, Patched, Refusal, Replacement, patch_document};
use crate::dify::{Limits, parse_document};

fn check(document: &str, pointer: &str, expected: &str) {
    assert_eq!(
        replace(document, pointer, "new").as_deref(),
        Ok(expected),
        "{document:?}"
    );
}

fn refused(document: &str, pointer: &str, expected: &Refusal) {
    assert_eq!(
        replace(document, pointer, "new").as_ref(),
        Err(expected),
        "{document:?}"
    );
}

fn replacement(pointer: &str, expected: &str, text: &str) -> Replacement {
    Replacement {
        pointer: pointer.to_owned(),
        expected: expected.to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn a_scalar_is_found_wherever_it_stands() {
    check(
        "a:\n- b: 1\n  c: x # x\n- x\n",
        "/a/0/c",
        "a:\n- b: 1\n  c: new # x\n- x\n",
    );
    check("a:\n  - - p\n    - x\n", "/a/0/1", "a:\n  - - p\n    - new\n");
    check("a: [p, 'x' , {q: x}]\n", "/a/1", "a: [p, 'new' , {q: x}]\n");
    check("a: [p, {q: x}, x]\n", "/a/1/q", "a: [p, {q: new}, x]\n");
    check("? a\n: x\n", "/a", "? a\n: new\n");
    check("\u{feff}é: x\n𝒳: x\n", "/𝒳", "\u{feff}é: x\n𝒳: new\n");
    check(
        "%YAML 1.1\n---\n# c\na: x\n...\n# d\n",
        "/a",
        "%YAML 1.1\n---\n# c\na: new\n...\n# d\n",
    );
    check("--- {a: x}\n", "/a", "--- {a: new}\n");
    check("a:\t'x'\t# c\n", "/a", "a:\t'new'\t# c\n");
    check("a: !!str  &k 'x'\n", "/a", "a: !!str  &k 'new'\n");
    check("a: ! x\n", "/a", "a: ! new\n");
    check(
        "a/b: {m~n: x}\n'': {'0': x}\n",
        "/a~1b/m~0n",
        "a/b: {m~n: new}\n'': {'0': x}\n",
    );
    check(
        "a/b: {m~n: x}\n'': {'0': x}\n",
        "//0",
        "a/b: {m~n: x}\n'': {'0': new}\n",
    );
    check(
        "{\n\t\"a\" : [ \"p\" ,\"x\"\n]}",
        "/a/1",
        "{\n\t\"a\" : [ \"p\" ,\"new\"\n]}",
    );
    check("1: x\n~: y\n", "/1", "1: new\n~: y\n");
    check("1: x\n~: y\n", "/", "1: x\n~: new\n");
    check(
        "&k a: x\n*k : y\n".replace("*k", "b").as_str(),
        "/b",
        "&k a: x\nb : new\n",
    );
    check("k: &k q\n*k : x\n", "/q", "k: &k q\n*k : new\n");
}

#[test]
fn a_value_that_something_else_refers_to_is_refused_with_its_line() {
    let document = "a: &x x\nb: &l [x, x]\nc: &m {p: x}\nd:\n- *x\n- *l\n- q: *m\ne: &free x\n";
    refused(document, "/a", &Refusal::Shared { line: 5 });
    refused(document, "/b/1", &Refusal::Shared { line: 6 });
    refused(document, "/c/p", &Refusal::Shared { line: 7 });
    refused(document, "/d/0", &Refusal::Alias { line: 5 });
    refused(document, "/d/1/0", &Refusal::Alias { line: 6 });
    refused(document, "/d/2/q/p", &Refusal::Alias { line: 7 });
    check(document, "/e", &document.replace("&free x", "&free new"));
    // The second anchor of a name is another one.
    check("a: &x x\nb: *x\nc: &x x\n", "/c", "a: &x x\nb: *x\nc: &x new\n");
}

#[test]
fn a_merged_value_is_refused_and_an_own_one_is_not() {
    let document = "a: &a {p: x, q: x}\nb:\n  <<: *a\n  q: x\nc:\n  <<:\n  - {p: x}\n  - *a\nd: {'<<': x}\n";
    refused(document, "/b/p", &Refusal::Merged { line: 3 });
    refused(document, "/c/p", &Refusal::Merged { line: 6 });
    refused(document, "/a/p", &Refusal::Shared { line: 3 });
    check(document, "/b/q", &document.replace("  q: x\nc", "  q: new\nc"));
    check(document, "/d/<<", &document.replace("'<<': x", "'<<': new"));
}

#[test]
fn what_is_no_text_or_not_there_is_refused() {
    let document = "n: 12\nb: yes\nz:\nl: [x]\nm: {k: x}\ns: !!str\nt: !!int '3'\nw: |\n\n\n";
    for (pointer, found) in [
        ("/n", "a number"),
        ("/b", "a boolean"),
        ("/z", "null"),
        ("/l", "a list"),
        ("/m", "a mapping"),
        ("/t", "a number"),
        ("", "a mapping"),
    ] {
        refused(document, pointer, &Refusal::NotText { found });
    }
    for pointer in ["/x", "/l/1", "/l/00", "/m/k/j", "l", "/"] {
        refused(document, pointer, &Refusal::NotFound);
    }
    refused(document, "/s", &Refusal::Blank);
    refused(document, "/w", &Refusal::Blank);
    let twice = parse_document(b"a: x\na: x\n", &Limits::default()).unwrap_err();
    let places = [replacement("/a", "x", "new")];
    let refused = patch_document(b"a: x\na: x\n", &places, &Limits::default());
    assert_eq!(refused, Err(PatchError::Document(twice)));
}

#[test]
fn a_text_that_a_lone_tag_would_turn_into_something_else_is_refused() {
    for text in ["12", "yes", "", "2026-01-02", "=", "<<"] {
        assert_eq!(replace("a: ! 'x'\n", "/a", text), Err(Refusal::Tagged), "{text}");
    }
    assert_eq!(
        replace("a: !!str x\n", "/a", "12").as_deref(),
        Ok("a: !!str \"12\"\n")
    );
}

#[test]
fn a_text_that_has_changed_is_refused_with_both_texts() {
    let places = [replacement("/a", "base", "new"), replacement("/b", "base", "new")];
    let Patched { bytes, places } =
        patch_document(b"a: base\nb: mine\n", &places, &Limits::default()).unwrap();
    assert_eq!(bytes, b"a: new\nb: mine\n");
    assert!(places[0].is_ok());
    let changed = Refusal::Changed {
        found: "mine".to_owned(),
        expected: "base".to_owned(),
    };
    assert_eq!(places[1], Err(changed));
}

#[test]
fn many_places_are_replaced_at_once_and_the_same_one_only_once() {
    let document = "a: x\nb: |\n  x\nc: [x, 'x', \"x\"]\nd: >-\n  x\ne: x # end\n";
    let places = [
        replacement("/e", "x", "E"),
        replacement("/b", "x\n", "B\n"),
        replacement("/c/2", "x", "C2"),
        replacement("/c/0", "x", "C0"),
        replacement("/d", "x", "D"),
        replacement("/a", "x", "A"),
        replacement("/a", "x", "again"),
    ];
    let patched = patch_document(document.as_bytes(), &places, &Limits::default()).unwrap();
    let expected = "a: A\nb: |\n  B\nc: [C0, 'x', \"C2\"]\nd: >-\n  D\ne: E # end\n";
    assert_eq!(String::from_utf8(patched.bytes).unwrap(), expected);
    assert_eq!(patched.places[6], Err(Refusal::Twice));
    assert!(patched.places[..6].iter().all(Result::is_ok));
}

#[test]
fn a_result_beyond_a_limit_is_an_error_that_names_it() {
    let limits = Limits {
        max_document_bytes: 20,
        ..Limits::default()
    };
    let places = [replacement("/a", "x", &"y".repeat(20))];
    let error = patch_document(b"a: x\n", &places, &limits).unwrap_err();
    assert_eq!(error.reason(), "too-large");
    let limits = Limits {
        max_expanded_bytes: 20,
        ..Limits::default()
    };
    assert_eq!(
        patch_document(b"a: x\n", &places, &limits).unwrap_err().reason(),
        "too-much-text"
    );
}
