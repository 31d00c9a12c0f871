//! The stream of changes.

use crate::http::wire::WatchLine;
use crate::model::PromptId;
use crate::storage::Revision;

use super::call::Call;
use super::lines::Lines;
use super::{Client, ClientError};

/// Which changes are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatchFilter {
    /// Only of this prompt.
    pub prompt: Option<PromptId>,
    /// Only of prompts whose ids begin so.
    pub prefix: Option<String>,
    /// End after so many seconds; without it the stream goes on for ever.
    pub wait: Option<u64>,
}

/// The changes of a store, one line each, with words about the stream itself between them.
#[derive(Debug)]
pub struct Watch(Lines);

impl Client {
    /// Follows the changes, from after a revision on; without one from now on.
    ///
    /// # Errors
    /// A refusal with the code `gone` when what happened since is not known any more; else why it could not be asked.
    pub async fn watch(&self, filter: &WatchFilter, since: Option<Revision>) -> Result<Watch, ClientError> {
        let call = Call::get(&["v1", "watch"])
            .query("since", since)
            .query("prompt", filter.prompt.as_ref())
            .query("prefix", filter.prefix.as_ref())
            .query("wait", filter.wait);
        let lines = Lines::open(self, &call, "following the changes".to_owned());
        lines.await.map(Watch)
    }
}

impl Watch {
    /// Returns the next line; `None` when the stream has ended.
    ///
    /// # Errors
    /// [`ClientError::Lost`] when the daemon goes away, [`ClientError::Malformed`] for what is no such line.
    pub async fn next(&mut self) -> Result<Option<WatchLine>, ClientError> {
        self.0.next().await
    }
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Reply, Stub};
    use super::*;
    use crate::http::wire::WatchKind;

    #[tokio::test]
    async fn what_is_asked_for_stands_in_the_query_and_each_line_is_read() {
        let stub = Stub::start(|seen| {
            let target = "/v1/watch?since=000000000000000a.3&prefix=pay_&wait=0";
            assert_eq!(seen.target, target);
            Reply::json(
                200,
                "{\"revision\":\"000000000000000a.4\",\"kind\":\"heartbeat\"}\n",
            )
        })
        .await;
        let filter = WatchFilter {
            prefix: Some("pay_".into()),
            wait: Some(0),
            ..WatchFilter::default()
        };
        let since = Some(Revision {
            epoch: 10,
            counter: 3,
        });
        let client = Client::new(stub.socket());
        let mut watch = client.watch(&filter, since).await.unwrap();
        let line = watch.next().await.unwrap().unwrap();
        assert_eq!(
            (line.kind, line.revision.as_str()),
            (WatchKind::Heartbeat, "000000000000000a.4")
        );
        assert_eq!(watch.next().await.unwrap(), None);
    }
}
