//! Answer bodies that may break off, so that a connection can be cut in the middle of an answer.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use hyper::body::{Body, Frame, SizeHint};

/// How an exchange ends on the wire.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The whole answer.
    Whole(Response<Bytes>),
    /// The head and half of the body, then the connection is closed.
    Half(Response<Bytes>),
    /// The connection is closed without an answer.
    Nothing,
}

impl From<Response<Bytes>> for Reply {
    fn from(response: Response<Bytes>) -> Self {
        Self::Whole(response)
    }
}

impl Reply {
    /// What hyper shall send; an error closes the connection unanswered.
    pub(crate) fn into_wire(self) -> io::Result<Response<ReplyBody>> {
        match self {
            Self::Whole(response) => Ok(response.map(ReplyBody::whole)),
            Self::Half(response) => Ok(response.map(ReplyBody::half)),
            Self::Nothing => {
                Err(io::Error::new(io::ErrorKind::ConnectionAborted, "ordered by the fault plan"))
            }
        }
    }
}

/// A body in one piece, or the first half of one and then an error.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    piece: Option<Bytes>,
    announced: u64,
    cut: Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Never,
    /// Let hyper flush the first half before the error.
    AfterFlush,
    Now,
}

impl ReplyBody {
    fn whole(body: Bytes) -> Self {
        Self { announced: length(&body), piece: Some(body), cut: Cut::Never }
    }

    fn half(mut body: Bytes) -> Self {
        let announced = length(&body);
        body.truncate(body.len().div_euclid(2));
        Self { announced, piece: Some(body), cut: Cut::AfterFlush }
    }
}

fn length(body: &Bytes) -> u64 {
    u64::try_from(body.len()).unwrap_or(u64::MAX)
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if let Some(piece) = self.piece.take()
            && !piece.is_empty()
        {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        match self.cut {
            Cut::Never => Poll::Ready(None),
            Cut::AfterFlush => {
                // hyper flushes what it has when the body is not ready; an error at once would discard it.
                self.cut = Cut::Now;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Cut::Now => Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::ConnectionAborted)))),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }

    fn is_end_stream(&self) -> bool {
        self.cut == Cut::Never && self.piece.as_ref().is_none_or(Bytes::is_empty)
    }
}
