//! Doing the same with every prompt of a document, several at a time.

use std::future::Future;

use tokio::task::JoinSet;

use super::Context;

/// Says when further items are begun. Items are begun in their order.
pub(super) trait Pace<R> {
    /// Tells whether one more may be begun while `running` are at work. It is asked again whenever one of them is done.
    fn may_begin(&mut self, running: usize) -> bool;

    /// Takes note of what came of one.
    fn saw(&mut self, result: &R);
}

/// Begins everything.
struct Unbounded;

impl<R> Pace<R> for Unbounded {
    fn may_begin(&mut self, _running: usize) -> bool {
        true
    }

    fn saw(&mut self, _result: &R) {}
}

/// Works on every item, and returns what came of them in the order of the items. When the job is told to stop, no further
/// item is begun, and those that were are finished.
pub(super) async fn each<T, R, W>(items: Vec<T>, context: &Context, work: impl Fn(T, Context) -> W) -> Vec<R>
where
    W: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    each_while(items, context, &mut Unbounded, work).await
}

/// Does the same as [`each`] while a pace allows it.
pub(super) async fn each_while<T, R, W>(
    items: Vec<T>,
    context: &Context,
    pace: &mut impl Pace<R>,
    work: impl Fn(T, Context) -> W,
) -> Vec<R>
where
    W: Future<Output = R> + Send + 'static,
    R: Send + 'static,
{
    context.progress.set_total(items.len() as u64);
    let mut waiting = items.into_iter().enumerate();
    let (mut tasks, mut done) = (JoinSet::new(), Vec::new());
    loop {
        while tasks.len() < context.max_concurrent_prompts
            && waiting.len() > 0
            && !context.progress.is_cancelled()
            && pace.may_begin(tasks.len())
        {
            let Some((position, item)) = waiting.next() else {
                break;
            };
            let working = work(item, context.clone());
            tasks.spawn(async move { (position, working.await) });
        }
        match tasks.join_next().await {
            Some(Ok((position, result))) => {
                pace.saw(&result);
                done.push((position, result));
            }
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            None | Some(Err(_)) => break,
        }
        context.progress.advance(1);
    }
    done.sort_unstable_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, result)| result).collect()
}
