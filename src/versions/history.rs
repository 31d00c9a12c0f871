//! Paging through the versions of a prompt.

use std::sync::Arc;

use serde::Deserialize;

use crate::model::{PromptId, Version};
use crate::storage::{StorageError, StoredVersion};

use super::{VersionError, VersionManager};

/// In which order versions are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// The lowest number first.
    #[default]
    Asc,
    /// The highest number first.
    Desc,
}

/// One page of versions.
#[derive(Debug, Clone)]
pub struct HistoryPage {
    /// The versions, in order. Damaged files are left out; `verify` reports them.
    pub versions: Vec<Arc<StoredVersion>>,
    /// Where the next page begins: after this version. `None` on the last page.
    pub next: Option<Version>,
}

impl VersionManager {
    /// Returns one page of a prompt's versions.
    ///
    /// # Errors
    /// `not-found`, or what the storage says.
    pub async fn history(
        &self,
        id: &PromptId,
        after: Option<&Version>,
        order: Order,
        limit: usize,
    ) -> Result<HistoryPage, VersionError> {
        let entry = self.prompt(id)?;
        let (page, more) = page_of(&entry.versions, after, order, limit);
        let mut versions = Vec::with_capacity(page.len());
        for read in self.storage.read_many(id, &page).await {
            match read {
                Ok(version) => versions.push(version),
                Err(
                    StorageError::Corrupt { .. }
                    | StorageError::Edited { .. }
                    | StorageError::VersionNotFound { .. },
                ) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(HistoryPage {
            versions,
            next: page.last().filter(|_| more).cloned(),
        })
    }
}

/// Cuts one page out of ascending numbers, and tells whether there is more.
fn page_of(
    ascending: &[Version],
    after: Option<&Version>,
    order: Order,
    limit: usize,
) -> (Vec<Version>, bool) {
    let rest: Vec<&Version> = match order {
        Order::Asc => ascending
            .iter()
            .filter(|version| after.is_none_or(|after| *version > after))
            .collect(),
        Order::Desc => ascending
            .iter()
            .rev()
            .filter(|version| after.is_none_or(|after| *version < after))
            .collect(),
    };
    (
        rest.iter()
            .take(limit)
            .map(|version| (*version).clone())
            .collect(),
        rest.len() > limit,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(after: Option<&str>, order: Order, limit: usize, expected: &[&str], more: bool) {
        let all: Vec<Version> = ["1.0.0", "1.2.0", "1.9.9", "1.10.0"]
            .iter()
            .map(|v| Version::new(v).unwrap())
            .collect();
        let after = after.map(|v| Version::new(v).unwrap());
        let (page, has_more) = page_of(&all, after.as_ref(), order, limit);
        assert_eq!(page.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
        assert_eq!(has_more, more);
    }

    #[test]
    fn pages_follow_each_other_in_both_orders() {
        check(None, Order::Asc, 2, &["1.0.0", "1.2.0"], true);
        check(Some("1.2.0"), Order::Asc, 2, &["1.9.9", "1.10.0"], false);
        check(None, Order::Desc, 3, &["1.10.0", "1.9.9", "1.2.0"], true);
        check(Some("1.2.0"), Order::Desc, 3, &["1.0.0"], false);
        check(Some("1.5.0"), Order::Asc, 9, &["1.9.9", "1.10.0"], false);
    }
}
