//! Several connections for concurrent work.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::Client;

/// Lends clients to concurrent work: at most so many at a time, each with its own connection that is kept for the next.
#[derive(Debug)]
pub struct Pool {
    idle: Mutex<Vec<Client>>,
    places: Semaphore,
    origin: Client,
}

/// A client of a [`Pool`]; goes back when it is dropped.
#[derive(Debug)]
pub struct Lent<'p> {
    client: Option<Client>,
    pool: &'p Pool,
    _place: SemaphorePermit<'p>,
}

impl Pool {
    /// Makes a pool of at most `size` connections like that of a client.
    #[must_use]
    pub fn new(origin: &Client, size: usize) -> Self {
        Self {
            idle: Mutex::new(Vec::with_capacity(size)),
            places: Semaphore::new(size.max(1)),
            origin: origin.clone(),
        }
    }

    /// Waits until a client is free.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub async fn client(&self) -> Lent<'_> {
        #[expect(clippy::expect_used, reason = "the semaphore is private and never closed")]
        let place = self.places.acquire().await.expect("the pool is never closed");
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Lent {
            client: Some(idle.unwrap_or_else(|| self.origin.clone())),
            pool: self,
            _place: place,
        }
    }
}

impl Deref for Lent<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client.as_ref().unwrap_or(&self.pool.origin)
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.extend(self.client.take());
    }
}

#[cfg(test)]
mod tests {
    use super::super::stub::{Reply, Stub};
    use super::*;

    #[tokio::test]
    async fn connections_are_kept_and_never_exceed_the_size() {
        let stub = Stub::start(|_| Reply::json(200, "{}")).await;
        let pool = Pool::new(&Client::new(stub.socket()), 2);
        for _ in 0..3 {
            let (one, other) = (pool.client().await, pool.client().await);
            let (a, b) = tokio::join!(one.status_json(), other.status_json());
            a.unwrap();
            b.unwrap();
        }
        assert_eq!(stub.connections(), 2);
    }
}
