//! Query strings: every parameter is known, given once, and within its limits.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::metrics::Limit;

use super::HttpLimits;
use super::problem::{Code, Problem};

/// The parameters of a query. The type must refuse unknown fields.
pub(super) struct StrictQuery<T>(pub(super) T);

/// For operations without parameters: any parameter is a mistake.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoParameters {}

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::<T>::try_from_uri(&parts.uri).map_err(|e| {
            let reason = e.body_text();
            let reason = reason
                .strip_prefix("Failed to deserialize query string: ")
                .unwrap_or(&reason);
            Problem::invalid_request(format!("query: {reason}"))
        })?;
        Ok(Self(value))
    }
}

/// Returns how many items a page holds.
///
/// # Errors
/// `invalid-request` when the client asks for none, or for more than a page may hold.
pub(super) fn page_items(limit: Option<usize>, limits: &HttpLimits) -> Result<usize, Problem> {
    let max = limits.max_page_items;
    match limit {
        None => Ok(limits.default_page_items),
        Some(limit) if (1..=max).contains(&limit) => Ok(limit),
        Some(limit) => {
            let detail = format!("query: limit: {limit} is not between 1 and {max} (max_page_items)");
            Err(Problem::over(Limit::PageItems, Code::InvalidRequest, detail))
        }
    }
}

/// Returns how many whole documents a page holds: as many as asked for, but never more than `max_history_documents`.
///
/// # Errors
/// As [`page_items`].
pub(super) fn page_documents(limit: Option<usize>, limits: &HttpLimits) -> Result<usize, Problem> {
    match limit {
        None => Ok(limits.max_history_documents),
        Some(_) => Ok(page_items(limit, limits)?.min(limits.max_history_documents)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_least_one_item_and_at_most_the_limit() {
        let limits = HttpLimits {
            max_page_items: 10,
            default_page_items: 5,
            max_history_documents: 3,
            ..HttpLimits::default()
        };
        let check = |limit, items: Option<usize>, documents: Option<usize>| {
            assert_eq!(page_items(limit, &limits).ok(), items, "{limit:?}");
            assert_eq!(page_documents(limit, &limits).ok(), documents, "{limit:?}");
        };
        check(None, Some(5), Some(3));
        check(Some(0), None, None);
        check(Some(1), Some(1), Some(1));
        check(Some(10), Some(10), Some(3));
        check(Some(11), None, None);
    }
}
