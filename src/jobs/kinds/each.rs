//! Doing the same with every prompt of a document, several at a time.

use std::future::Future;

use tokio::task::JoinSet;

use super::Context;

/// How many prompts are worked on at a time, so that those of one shard share a commit.
const MAX_PROMPTS_AT_ONCE: usize = 16;

/// Works on every item, and returns what came of them in the order of the items. When the job is told to stop, no further
/// item is begun, and those that were are finished.
pub(super) async fn each<T, R, W>(items: Vec<T>, context: &Context, work: impl Fn(T, Context) -> W) -> Vec<R>
where
    W: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    context.progress.set_total(items.len() as u64);
    let mut waiting = items.into_iter().enumerate();
    let (mut tasks, mut done) = (JoinSet::new(), Vec::new());
    loop {
        while tasks.len() < MAX_PROMPTS_AT_ONCE && !context.progress.is_cancelled() {
            let Some((position, item)) = waiting.next() else {
                break;
            };
            let working = work(item, context.clone());
            tasks.spawn(async move { (position, working.await) });
        }
        match tasks.join_next().await {
            Some(Ok(result)) => done.push(result),
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            None | Some(Err(_)) => break,
        }
        context.progress.advance(1);
    }
    done.sort_unstable_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, result)| result).collect()
}
