//! Trying again while the daemon is busy.

use std::future::Future;
use std::time::Duration;

use crate::client::ClientError;

/// The first pause; each one is twice as long, up to what the daemon asks for.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause where the daemon asks for none.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// How often a request is tried before its refusal is believed: more than half a minute in all.
const MAX_TRIES: u32 = 40;

/// Sends a request until it is not refused with `busy` or `unavailable`. For work on many things, which should not fail as
/// a whole because the daemon cannot keep up for a moment.
///
/// # Errors
/// Every other error, and the refusal after the last try.
pub(crate) async fn patiently<T, F>(mut request: impl FnMut() -> F) -> Result<T, ClientError>
where
    F: Future<Output = Result<T, ClientError>>,
{
    let mut tries = 1;
    loop {
        match request().await {
            Err(error) if error.is_busy() && tries < MAX_TRIES => {
                tokio::time::sleep(pause(tries, error.retry_after())).await;
                tries += 1;
            }
            answer => return answer,
        }
    }
}

fn pause(tries: u32, asked: Option<Duration>) -> Duration {
    let longest = asked.unwrap_or(MAX_PAUSE).min(MAX_PAUSE);
    FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(10)).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Problem;

    fn busy() -> ClientError {
        Problem {
            status: 503,
            code: "busy".to_owned(),
            title: String::new(),
            detail: String::new(),
            retry_after: Some(Duration::from_secs(1)),
        }
        .into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_daemon_is_asked_again_until_it_answers() {
        let mut tries = 0;
        let answer = patiently(|| {
            tries += 1;
            let answer = if tries < 5 { Err(busy()) } else { Ok(tries) };
            async move { answer }
        });
        assert_eq!(answer.await, Ok(5));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let mut tries = 0;
        let answer: Result<(), _> = patiently(|| {
            tries += 1;
            async { Err(busy()) }
        })
        .await;
        assert_eq!((answer, tries), (Err(busy()), MAX_TRIES));
    }

    #[test]
    fn pauses_grow_to_what_the_daemon_asks_for() {
        let asked = Some(Duration::from_millis(100));
        let pauses: Vec<u128> = (1..5).map(|tries| pause(tries, asked).as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 100]);
        assert_eq!(pause(40, None), MAX_PAUSE);
    }
}
