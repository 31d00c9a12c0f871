//! Answers that go on for long: a body that is written line by line, at the pace of its reader.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a reader may take for what is left when a stream ends.
const END_GRACE: Duration = Duration::from_secs(1);

/// Cuts off the connection of a request whose reader takes nothing. It travels with every request.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(pub(super) CancellationToken);

/// The body of an answer that goes on for long. It holds one piece at a time: what is not taken is not made.
#[derive(Debug)]
pub(super) struct StreamBody {
    pieces: mpsc::Receiver<Bytes>,
    last: Arc<OnceLock<Bytes>>,
    has_ended: bool,
    _gone: DropGuard,
}

/// The other end of a [`StreamBody`]: where its pieces are made.
#[derive(Debug)]
pub(super) struct Pieces {
    send: mpsc::Sender<Bytes>,
    last: Arc<OnceLock<Bytes>>,
    gone: CancellationToken,
}

/// Makes a body and its other end.
pub(super) fn body() -> (Pieces, StreamBody) {
    let (send, pieces) = mpsc::channel(1);
    let (last, gone) = (Arc::new(OnceLock::new()), CancellationToken::new());
    let body = StreamBody {
        pieces,
        last: Arc::clone(&last),
        has_ended: false,
        _gone: gone.clone().drop_guard(),
    };
    (Pieces { send, last, gone }, body)
}

impl Pieces {
    /// Hands over a piece once the one before it was taken. Returns whether anybody is there.
    pub(super) async fn send(&self, piece: Bytes) -> bool {
        self.send.send(piece).await.is_ok()
    }

    /// Waits until nobody is there any more.
    pub(super) async fn closed(&self) {
        self.send.closed().await;
    }

    /// Ends the body with a last piece, which waits for no other one to be taken. A reader that does not take what is left
    /// within a moment is cut off. Returns whether that was so.
    pub(super) async fn end(self, last: Bytes, cut: &Cut) -> bool {
        let Self {
            send,
            last: place,
            gone,
        } = self;
        let _once = place.set(last);
        drop(send);
        let is_late = tokio::time::timeout(END_GRACE, gone.cancelled()).await.is_err();
        if is_late {
            cut.0.cancel();
        }
        is_late
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let piece = std::task::ready!(self.pieces.poll_recv(cx));
        let piece = piece.or_else(|| {
            self.has_ended = true;
            self.last.get().cloned()
        });
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn next(body: &mut StreamBody) -> Option<Bytes> {
        body.frame().await?.unwrap().into_data().ok()
    }

    #[tokio::test]
    async fn one_piece_waits_for_its_reader_and_no_more_are_taken() {
        let (pieces, mut body) = body();
        assert!(pieces.send("a".into()).await);
        let second = tokio::time::timeout(Duration::from_millis(1), pieces.send("b".into())).await;
        assert!(second.is_err(), "the first was not taken yet");
        assert_eq!(next(&mut body).await, Some("a".into()));
        assert!(pieces.send("c".into()).await);
        assert_eq!(next(&mut body).await, Some("c".into()));
        drop(body);
        pieces.closed().await;
        assert!(!pieces.send("d".into()).await);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_piece_comes_after_all_others_and_who_takes_it_is_not_cut_off() {
        let (pieces, mut body) = body();
        assert!(pieces.send("a".into()).await);
        let cut = Cut::default();
        let ending = pieces.end("z".into(), &cut);
        let reading = async move {
            assert_eq!(next(&mut body).await, Some("a".into()));
            assert_eq!(next(&mut body).await, Some("z".into()));
            assert_eq!(next(&mut body).await, None);
        };
        let (is_late, ()) = tokio::join!(ending, reading);
        assert!(!is_late && !cut.0.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_cut_off_in_the_end() {
        let (pieces, body) = body();
        let cut = Cut::default();
        assert!(pieces.end("z".into(), &cut).await);
        assert!(cut.0.is_cancelled());
        drop(body);
    }
}
