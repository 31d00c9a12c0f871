//! Conditional requests and entity tags.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::model::{Checksum, Integrity, Version};

use super::problem::Problem;

/// The header that tells whether a version is as promptd wrote it.
pub(super) const INTEGRITY_HEADER: HeaderName = HeaderName::from_static("promptd-integrity");

/// The entity tag of a version: its checksum in quotes.
pub(super) fn entity_tag(checksum: &Checksum) -> Option<HeaderValue> {
    HeaderValue::from_str(&format!("\"{checksum}\"")).ok()
}

/// The value of the header for an integrity.
pub(super) const fn integrity(integrity: Integrity) -> HeaderValue {
    HeaderValue::from_static(match integrity {
        Integrity::Sealed => "sealed",
        Integrity::Unsealed => "unsealed",
        Integrity::Edited => "edited",
    })
}

/// Tells whether the client has the version already (`If-None-Match` on a read).
///
/// # Errors
/// `invalid-request` when the header is no list of entity tags.
pub(super) fn is_known(headers: &HeaderMap, checksum: &Checksum) -> Result<bool, Problem> {
    let Some(field) = one_field(headers, &header::IF_NONE_MATCH)? else {
        return Ok(false);
    };
    if field.trim() == "*" {
        return Ok(true);
    }
    let tags = entity_tags(field)
        .ok_or_else(|| malformed("If-None-Match", "'*' or entity tags such as \"sha256:...\""))?;
    Ok(tags.contains(&checksum.as_str()))
}

/// Tells whether the client wants to create only (`If-None-Match: *` on a write).
///
/// # Errors
/// `invalid-request` when the header says anything else.
pub(super) fn must_be_absent(headers: &HeaderMap) -> Result<bool, Problem> {
    match one_field(headers, &header::IF_NONE_MATCH)? {
        None => Ok(false),
        Some(field) if field.trim() == "*" => Ok(true),
        Some(_) => Err(malformed("If-None-Match", "'*' on a write")),
    }
}

/// Returns the version that a label must point at (`If-Match: "1.0.0"`).
///
/// # Errors
/// `invalid-request` when the header is no quoted version.
pub(super) fn expected_version(headers: &HeaderMap) -> Result<Option<Version>, Problem> {
    let Some(field) = one_field(headers, &header::IF_MATCH)? else {
        return Ok(None);
    };
    let quoted = field
        .trim()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    match quoted.map(Version::new) {
        Some(Ok(version)) => Ok(Some(version)),
        _ => Err(malformed("If-Match", "a version in quotes, such as \"1.0.0\"")),
    }
}

fn malformed(name: &str, expected: &str) -> Problem {
    Problem::invalid_request(format!("header {name}: expected {expected}"))
}

/// The text of a header that may be there once.
fn one_field<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut fields = headers.get_all(name).iter();
    let (first, second) = (fields.next(), fields.next());
    if second.is_some() {
        return Err(Problem::invalid_request(format!(
            "header {name}: given more than once"
        )));
    }
    first
        .map(HeaderValue::to_str)
        .transpose()
        .map_err(|_| Problem::invalid_request(format!("header {name}: not plain text")))
}

/// Splits a list of entity tags; weak tags count as strong ones, as they do for `If-None-Match`.
fn entity_tags(field: &str) -> Option<Vec<&str>> {
    let mut tags = Vec::new();
    let mut rest = field.trim_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let opened = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?;
        let (tag, after) = opened.split_once('"')?;
        tags.push(tag);
        let next = after.trim_start_matches([' ', '\t', ',']);
        if next.len() == after.len() && !next.is_empty() {
            return None;
        }
        rest = next;
    }
    (!tags.is_empty()).then_some(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_known_tag_is_found_in_every_way_to_write_it() {
        let digest = "a".repeat(64);
        let checksum: Checksum = format!("sha256:{digest}").parse().unwrap();
        let check = |field: &str, expected: Option<bool>| {
            let headers = headers(&header::IF_NONE_MATCH, &[field]);
            assert_eq!(is_known(&headers, &checksum).ok(), expected, "{field:?}");
        };
        check(&format!("\"{checksum}\""), Some(true));
        check(&format!("W/\"{checksum}\""), Some(true));
        check(&format!("\"x\", \"{checksum}\""), Some(true));
        check(&format!("\"x\",\"y\" , W/\"{checksum}\","), Some(true));
        check("*", Some(true));
        check("\"other\"", Some(false));
        check("\"\"", Some(false));
        for malformed in [checksum.as_str(), "", "\"x", "x\"", "\"x\" \"y", "\"x\"y"] {
            check(malformed, None);
        }
        assert_eq!(is_known(&HeaderMap::new(), &checksum), Ok(false));
        let twice = headers(&header::IF_NONE_MATCH, &["*", "*"]);
        assert!(is_known(&twice, &checksum).is_err());
    }

    #[test]
    fn a_condition_on_a_write_says_one_thing() {
        let version = |field: &str| {
            expected_version(&headers(&header::IF_MATCH, &[field]))
                .ok()
                .flatten()
        };
        assert_eq!(version("\"1.2.0\""), Some(Version::release(1, 2, 0)));
        for malformed in ["1.2.0", "*", "\"1.2\"", "\"1.2.0\", \"1.3.0\"", "W/\"1.2.0\"", ""] {
            assert_eq!(version(malformed), None, "{malformed:?}");
        }
        assert_eq!(must_be_absent(&headers(&header::IF_NONE_MATCH, &["*"])), Ok(true));
        assert!(must_be_absent(&headers(&header::IF_NONE_MATCH, &["\"x\""])).is_err());
    }
}
