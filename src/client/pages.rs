//! Lists, page by page.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::http::wire::Page;

use super::call::Call;
use super::{Client, ClientError};

/// A list that is fetched page by page.
#[derive(Debug)]
pub struct Pages<'c, T> {
    client: &'c Client,
    list: Call,
    limit: Option<usize>,
    next: Next,
    items: PhantomData<fn() -> T>,
}

/// Where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Next {
    First,
    After(String),
    End,
}

impl<'c, T: DeserializeOwned> Pages<'c, T> {
    pub(super) fn new(client: &'c Client, list: Call) -> Self {
        Self {
            client,
            list,
            limit: None,
            next: Next::First,
            items: PhantomData,
        }
    }

    /// Asks for at most so many items on a page; without this the daemon decides.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Begins where a cursor of an earlier page says.
    #[must_use]
    pub fn starting_at(mut self, cursor: impl Into<String>) -> Self {
        self.next = Next::After(cursor.into());
        self
    }

    /// Returns the next page; `None` after the last one.
    ///
    /// # Errors
    /// What the daemon says; [`ClientError::Malformed`] when it gives the same cursor twice in a row.
    pub async fn next_page(&mut self) -> Result<Option<Page<T>>, ClientError> {
        let cursor = match &self.next {
            Next::End => return Ok(None),
            Next::First => None,
            Next::After(cursor) => Some(cursor.as_str()),
        };
        let call = self
            .list
            .clone()
            .query("limit", self.limit)
            .query("cursor", cursor);
        let page: Page<T> = self.client.call(call).await?.json()?;
        let next = page.next_cursor.clone().map_or(Next::End, Next::After);
        if next != Next::End && next == self.next {
            return Err(ClientError::malformed(
                "a list does not get on: its cursor stays the same",
            ));
        }
        self.next = next;
        Ok(Some(page))
    }

    /// Returns the items of the next page; `None` after the last one.
    ///
    /// # Errors
    /// As [`Self::next_page`].
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, ClientError> {
        Ok(self.next_page().await?.map(|page| page.items))
    }

    /// Returns all items that are left. Only for lists that are known to be short.
    ///
    /// # Errors
    /// As [`Self::next_page`].
    pub async fn all(mut self) -> Result<Vec<T>, ClientError> {
        let mut all = Vec::new();
        while let Some(items) = self.next().await? {
            all.extend(items);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Reply, Stub};
    use super::super::{Client, PromptFilter};

    fn page(names: &[&str], next: Option<&str>) -> Reply {
        let items: Vec<_> = names
            .iter()
            .map(|name| {
                serde_json::json!({"prompt_id": name, "latest_version": null, "version_count": 0, "labels": {},
                    "created_at": null, "updated_at": null})
            })
            .collect();
        Reply::json(
            200,
            &serde_json::json!({"items": items, "next_cursor": next}).to_string(),
        )
    }

    #[tokio::test]
    async fn pages_are_followed_to_the_end() {
        let stub = Stub::start(|request| match request.target.as_str() {
            "/v1/prompts?limit=2" => page(&["a", "b"], Some("b")),
            "/v1/prompts?limit=2&cursor=b" => page(&["c"], None),
            other => Reply::problem(400, "invalid-request", other),
        })
        .await;
        let client = Client::new(stub.socket());
        let all = client
            .prompts(&PromptFilter::default())
            .limit(2)
            .all()
            .await
            .unwrap();
        let names: Vec<&str> = all.iter().map(|prompt| prompt.prompt_id.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[tokio::test]
    async fn a_list_that_does_not_get_on_is_an_error_not_a_loop() {
        let stub = Stub::start(|_| page(&["a"], Some("a"))).await;
        let client = Client::new(stub.socket());
        let error = client.prompts(&PromptFilter::default()).all().await.unwrap_err();
        assert!(error.to_string().contains("does not get on"), "{error}");
        assert_eq!(stub.requests(), 2);
    }
}
