//! The bytes that requests and answers hold: bounded, shared fairly, and handed over in pieces.
//!
//! A large body takes room before it is read, and keeps it until its answer is taken; a large answer takes room when it is
//! ready. So clients that read slowly, or not at all, hold no more memory together than `max_bytes_in_flight`, and none of
//! them more than its share. What is small is bounded by the number of connections.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use crate::admission::{Claimant, Place};
use crate::metrics::Limit;

use super::AppState;
use super::problem::{Crowd, Problem};

/// Bodies and answers up to this many bytes take no room of their own.
const SMALL_BYTES: usize = 64 << 10;

/// How much of a large answer is handed to the connection at a time. It copies each piece, so that the whole is free as soon
/// as the last one is handed over.
const PIECE_BYTES: usize = 32 << 10;

const BYTES: Crowd = Crowd {
    what: "bytes of bodies and answers",
    all: Limit::BytesInFlight,
    per_peer: Limit::BytesInFlight,
};

/// Takes room for the body of a request, as large as it says that it is, or as it may be.
///
/// # Errors
/// `busy`.
pub(super) fn for_body(
    state: &AppState,
    claimant: Claimant,
    request: &Request,
) -> Result<Option<Place>, Problem> {
    let most = state.limits().max_import_bytes;
    let declared = request.body().size_hint().upper();
    let bytes = declared.map_or(most, |bytes| usize::try_from(bytes).unwrap_or(most).min(most));
    take(state, claimant, bytes)
}

fn take(state: &AppState, claimant: Claimant, bytes: usize) -> Result<Option<Place>, Problem> {
    if bytes <= SMALL_BYTES {
        return Ok(None);
    }
    let place = state.bytes().try_take(claimant, bytes);
    place
        .map(Some)
        .map_err(|refusal| Problem::crowded(refusal, &BYTES))
}

/// Makes a large answer hold its room until the client has taken it. An answer that streams is left as it is.
///
/// A change that was made is never answered with `busy`: its answer is about as large as its body, whose room it keeps.
pub(super) async fn hand_over(
    state: &AppState,
    claimant: Claimant,
    upload: Option<Place>,
    is_read: bool,
    response: Response,
) -> Response {
    let bytes = response.body().size_hint().exact();
    let bytes = bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if bytes <= SMALL_BYTES {
        return response;
    }
    let room = match take(state, claimant, bytes) {
        Err(problem) if is_read => return problem.into_response(),
        room => room.ok().flatten(),
    };
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(whole) => {
            let rest = whole.to_bytes();
            Response::from_parts(
                head,
                Body::new(Pieces {
                    rest,
                    _room: [upload, room],
                }),
            )
        }
        Err(error) => Problem::broken_answer(&error).into_response(),
    }
}

/// A large answer on its way.
#[derive(Debug)]
struct Pieces {
    rest: Bytes,
    _room: [Option<Place>; 2],
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let length = self.rest.len().min(PIECE_BYTES);
        let piece = Bytes::copy_from_slice(&self.rest.split_to(length));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_in_pieces_is_the_whole_answer_and_says_how_long_it_is() {
        let whole: Vec<u8> = (0..PIECE_BYTES * 3 + 7).map(|n| (n % 251) as u8).collect();
        let mut pieces = Pieces {
            rest: whole.clone().into(),
            _room: [None, None],
        };
        assert_eq!(pieces.size_hint().exact(), Some(whole.len() as u64));
        let (mut taken, mut count) = (Vec::new(), 0);
        while let Some(frame) = pieces.frame().await {
            let piece = frame.unwrap().into_data().unwrap();
            assert!(piece.len() <= PIECE_BYTES);
            taken.extend_from_slice(&piece);
            count += 1;
        }
        assert_eq!((taken == whole, count), (true, 4));
        assert!(pieces.is_end_stream());
    }
}
