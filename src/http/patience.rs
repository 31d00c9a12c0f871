//! How long the daemon waits for a client that says nothing, or takes nothing.
//!
//! hyper has one timer for the headers that also runs while a kept-alive connection is idle; here the two are apart, and
//! a client that stops reading its answer has a limit too. A connection takes turns: *waiting* for a request, reading its
//! *head*, *busy* with it until the last byte of the answer is handed over, and waiting again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::metrics::{Limit, Rejections};

use super::stream::Cut;

/// The turn of a connection, shared by its stream and its service.
#[derive(Debug, Clone)]
pub(super) struct Turn(Arc<Turns>, Cut);

#[derive(Debug)]
struct Turns {
    /// A number that only grows, three to a request.
    count: AtomicU64,
    opened_at: Instant,
    /// When the last answer was handed over, in milliseconds after the opening.
    answered_after_ms: AtomicU64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Head,
    Busy,
}

const PHASES: u64 = 3;

impl Default for Turn {
    fn default() -> Self {
        let turns = Turns {
            count: AtomicU64::new(0),
            opened_at: Instant::now(),
            answered_after_ms: AtomicU64::new(0),
        };
        Self(Arc::new(turns), Cut::default())
    }
}

impl Turn {
    fn now(&self) -> (u64, Phase) {
        let count = self.0.count.load(Ordering::Acquire);
        let phase = match count % PHASES {
            0 => Phase::Waiting,
            1 => Phase::Head,
            _ => Phase::Busy,
        };
        (count, phase)
    }

    fn go_to(&self, phase: Phase) {
        let (count, _) = self.now();
        let round = count - count % PHASES;
        let next = match phase {
            Phase::Waiting => round + PHASES,
            Phase::Head => round + 1,
            Phase::Busy => round + 2,
        };
        self.0.count.store(next, Ordering::Release);
    }

    /// Returns what cuts off this connection when its client takes nothing of an answer.
    pub(super) fn cut(&self) -> Cut {
        self.1.clone()
    }

    /// Tells whether a request may be on its way: the connection was opened or answered less than `grace` ago, or the head
    /// of a request has come in part.
    pub(super) fn expects_request(&self, grace: Duration) -> bool {
        match self.now().1 {
            Phase::Waiting => {
                let answered_after = Duration::from_millis(self.0.answered_after_ms.load(Ordering::Acquire));
                self.0.opened_at.elapsed() < answered_after + grace
            }
            Phase::Head => true,
            Phase::Busy => false,
        }
    }

    /// Says that a request has arrived. The turn ends when the returned guard is dropped.
    pub(super) fn begin(&self) -> BusyTurn {
        self.go_to(Phase::Busy);
        BusyTurn(self.clone())
    }
}

/// Held while a request is worked on and its answer is written.
#[derive(Debug)]
pub(super) struct BusyTurn(Turn);

impl Drop for BusyTurn {
    fn drop(&mut self) {
        let turns = &self.0.0;
        let answered_after = u64::try_from(turns.opened_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        turns.answered_after_ms.store(answered_after, Ordering::Release);
        self.0.go_to(Phase::Waiting);
    }
}

/// The body of an answer; the turn ends with it.
pub(super) struct AnswerBody {
    body: Body,
    _turn: BusyTurn,
}

impl AnswerBody {
    pub(super) fn new(body: Body, turn: BusyTurn) -> Self {
        Self { body, _turn: turn }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that gives up on a client that keeps it waiting.
#[derive(Debug)]
pub(super) struct PatientStream<S> {
    inner: S,
    turn: Turn,
    header_timeout: Duration,
    idle_timeout: Duration,
    read_timer: Pin<Box<Sleep>>,
    /// The turn that the read timer runs for.
    read_timer_for: Option<u64>,
    write_timer: Pin<Box<Sleep>>,
    write_timer_runs: bool,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
    rejections: Rejections,
}

impl<S> PatientStream<S> {
    pub(super) fn new(inner: S, turn: Turn, header_timeout: Duration, idle_timeout: Duration) -> Self {
        let unset = || Box::pin(tokio::time::sleep(Duration::ZERO));
        let cut = Box::pin(turn.cut().0.cancelled_owned());
        Self {
            inner,
            turn,
            header_timeout,
            idle_timeout,
            read_timer: unset(),
            read_timer_for: None,
            write_timer: unset(),
            write_timer_runs: false,
            cut,
            rejections: Rejections::default(),
        }
    }

    /// Counts with others how often a client was out of time.
    pub(super) fn counting(mut self, rejections: Rejections) -> Self {
        self.rejections = rejections;
        self
    }

    fn give_up(&self, phase: Phase) -> io::Error {
        let limit = match phase {
            Phase::Head => Limit::HeaderTimeout,
            Phase::Waiting | Phase::Busy => Limit::IdleTimeout,
        };
        self.rejections.note(limit);
        timed_out(phase)
    }

    /// Nothing has come: is the client out of time?
    fn poll_read_timer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (count, phase) = self.turn.now();
        let timeout = match phase {
            Phase::Waiting => self.idle_timeout,
            Phase::Head => self.header_timeout,
            Phase::Busy => {
                self.read_timer_for = None;
                return Poll::Pending;
            }
        };
        if self.read_timer_for != Some(count) {
            self.read_timer_for = Some(count);
            self.read_timer.as_mut().reset(Instant::now() + timeout);
        }
        let timer = self.read_timer.as_mut().poll(cx);
        timer.map(|()| Err(self.give_up(phase)))
    }

    /// Nothing could be written, or something could.
    fn poll_write_timer<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_timer_runs = false;
            return written;
        }
        if !self.write_timer_runs {
            self.write_timer_runs = true;
            self.write_timer
                .as_mut()
                .reset(Instant::now() + self.idle_timeout);
        }
        if self.cut.as_mut().poll(cx).is_ready() {
            let what = "the client takes nothing of a stream that has ended";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)));
        }
        let timer = self.write_timer.as_mut().poll(cx);
        timer.map(|()| Err(self.give_up(Phase::Busy)))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PatientStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Pending => this.poll_read_timer(cx),
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > before && this.turn.now().1 == Phase::Waiting {
                    this.turn.go_to(Phase::Head);
                }
                Poll::Ready(Ok(()))
            }
            failed => failed,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PatientStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write(cx, buf);
        this.poll_write_timer(cx, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        this.poll_write_timer(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.inner).poll_flush(cx);
        this.poll_write_timer(cx, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

fn timed_out(phase: Phase) -> io::Error {
    let what = match phase {
        Phase::Waiting => "no request came within idle_timeout_ms",
        Phase::Head => "the headers did not end within header_timeout_ms",
        Phase::Busy => "the client took nothing of the answer for idle_timeout_ms",
    };
    io::Error::new(io::ErrorKind::TimedOut, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(60);

    fn pair() -> (DuplexStream, Turn, PatientStream<DuplexStream>) {
        let (client, server) = tokio::io::duplex(16);
        let turn = Turn::default();
        let stream = PatientStream::new(server, turn.clone(), HEADER, IDLE);
        (client, turn, stream)
    }

    async fn seconds<T>(work: impl Future<Output = T>) -> (u64, T) {
        let start = Instant::now();
        let result = work.await;
        (start.elapsed().as_secs(), result)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_says_nothing_has_the_idle_time() {
        let (_client, _turn, mut stream) = pair();
        let (waited, read) = seconds(stream.read_u8()).await;
        assert_eq!((waited, read.unwrap_err().kind()), (60, io::ErrorKind::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn dripping_bytes_do_not_stretch_the_header_time() {
        let (mut client, _turn, mut stream) = pair();
        let drip = tokio::spawn(async move {
            while client.write_u8(b'x').await.is_ok() {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
        });
        let (waited, read) = seconds(async { while stream.read_u8().await.is_ok() {} }).await;
        assert_eq!((waited, read), (10, ()));
        drop(stream);
        drip.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn work_has_no_read_limit_and_waiting_begins_anew_after_it() {
        let (mut client, turn, mut stream) = pair();
        client.write_u8(b'x').await.unwrap();
        stream.read_u8().await.unwrap();
        let busy = turn.begin();
        let patient = tokio::time::timeout(Duration::from_secs(3_600), stream.read_u8()).await;
        assert!(patient.is_err(), "a busy connection is not closed");
        drop(busy);
        let (waited, read) = seconds(stream.read_u8()).await;
        assert_eq!((waited, read.is_err()), (60, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_expected_for_a_while_after_the_opening_and_after_each_answer() {
        const GRACE: Duration = Duration::from_secs(1);
        let (mut client, turn, mut stream) = pair();
        for _ in 0..2 {
            assert!(turn.expects_request(GRACE));
            tokio::time::advance(GRACE).await;
            assert!(!turn.expects_request(GRACE), "it was silent for so long");
            client.write_u8(b'x').await.unwrap();
            stream.read_u8().await.unwrap();
            assert!(turn.expects_request(GRACE), "its head has begun");
            let busy = turn.begin();
            assert!(!turn.expects_request(GRACE), "it has come");
            drop(busy);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_request_has_its_own_header_time() {
        let (mut client, turn, mut stream) = pair();
        for _ in 0..3 {
            client.write_u8(b'x').await.unwrap();
            stream.read_u8().await.unwrap();
            let (waited, read) =
                seconds(tokio::time::timeout(Duration::from_secs(9), stream.read_u8())).await;
            assert!(read.is_err(), "still within its time");
            assert_eq!(waited, 9);
            drop(turn.begin());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_is_cut_off_when_its_stream_has_ended() {
        let (_client, turn, mut stream) = pair();
        let cut = turn.cut();
        let cutting = async move {
            tokio::time::sleep(Duration::from_secs(7)).await;
            cut.0.cancel();
        };
        let writing = seconds(stream.write_all(&[0; 64]));
        let ((waited, written), ()) = tokio::join!(writing, cutting);
        assert_eq!((waited, written.is_err()), (7, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_has_the_idle_time() {
        let (_client, _turn, mut stream) = pair();
        let (waited, written) = seconds(stream.write_all(&[0; 64])).await;
        assert_eq!(
            (waited, written.unwrap_err().kind()),
            (60, io::ErrorKind::TimedOut)
        );
    }
}
