//! Answers of the HTTP library itself. What it cannot read as a request it refuses with a bare status, before anything of
//! ours hears of it; on its way out that becomes a problem, as every other refusal.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use uuid::Uuid;

use super::error;
use crate::{
    domain::Outcome,
    problem::{Problem, ProblemCode},
};

/// What our own answers have and those of the library have not.
const OURS: &[u8] = b"x-request-id: ";

/// A whole answer with this problem, after which the connection is closed. Nobody knows what was asked for; that it was
/// not done is sure.
pub(super) fn answer(problem: &Problem, prefix: &str) -> Vec<u8> {
    let id = Uuid::now_v7().to_string();
    let status = error::status(problem);
    let again = if problem.retryable { "retry-after: 1\r\n" } else { "" };
    let body = error::members(problem, &id, Some(Outcome::NotExecuted), prefix).to_string();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\nx-request-id: {id}\r\ncache-control: no-store\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\n{again}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The problem to tell instead of these bytes, if they are a refusal of the library and nothing else.
fn instead(bytes: &[u8]) -> Option<Problem> {
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let status = bytes.strip_prefix(b"HTTP/1.1 ").filter(|_| bytes.ends_with(b"\r\n\r\n"))?.get(..3)?;
    let (code, detail) = match status {
        b"400" => (ProblemCode::InvalidHeader, "the request line or a header cannot be read as HTTP/1.1"),
        b"414" | b"431" => {
            (ProblemCode::HeadersTooLarge, "the address and the headers are more than guichet reads")
        }
        // Those three are all that the library says by itself.
        _ => return None,
    };
    (!has(OURS) && has(b"content-length: 0\r\n")).then(|| Problem::new(code, detail))
}

/// A connection on which the library's own refusals are told in our words.
#[derive(Debug)]
pub(super) struct Worded<'a, S> {
    inner: S,
    prefix: &'a str,
    /// What is written instead of what the library wants to write, and how much of it is out.
    instead: Option<(Vec<u8>, usize)>,
}

impl<'a, S> Worded<'a, S> {
    /// `prefix` is put before the paths that problems name.
    pub(super) fn new(inner: S, prefix: &'a str) -> Self {
        Self { inner, prefix, instead: None }
    }
}

impl<S: AsyncWrite + Unpin> Worded<'_, S> {
    /// Writes all that stands for `wanted`. The library asks again with the same bytes until it is told that they are out.
    fn replace(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        while let Some((bytes, out)) = &mut self.instead {
            let rest = bytes.get(*out..).unwrap_or_default();
            if rest.is_empty() {
                self.instead = None;
                break;
            }
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, rest))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *out = out.saturating_add(written);
        }
        Poll::Ready(Ok(wanted))
    }

    /// Whether something else is written instead of these bytes, which are all there is to write.
    fn is_replaced(&mut self, bytes: &[u8]) -> bool {
        if self.instead.is_none() {
            self.instead = instead(bytes).map(|problem| (answer(&problem, self.prefix), 0));
        }
        self.instead.is_some()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<'_, S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<'_, S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_replaced(bytes) {
            return self.replace(cx, bytes.len());
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut full = parts.iter().filter(|part| !part.is_empty());
        if let (Some(only), None) = (full.next(), full.next())
            && self.is_replaced(only)
        {
            return self.replace(cx, only.len());
        }
        Pin::new(&mut self.inner).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[test]
    fn only_bare_refusals_are_replaced() {
        let bare = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        for (bytes, code) in [
            (bare.to_owned(), Some(ProblemCode::InvalidHeader)),
            (bare.replace("400", "431"), Some(ProblemCode::HeadersTooLarge)),
            (bare.replace("400", "414"), Some(ProblemCode::HeadersTooLarge)),
            (bare.replace("400", "200"), None),
            (bare.replace("400", "404"), None),
            (bare.replace("connection: close", "x-request-id: a"), None),
            (format!("{bare}body"), None),
            (bare.replace("length: 0", "length: 4"), None),
            (bare[1..].to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(instead(bytes.as_bytes()).map(|problem| problem.code), code, "{bytes:?}");
        }
    }

    /// However few bytes the connection takes at once.
    #[tokio::test]
    async fn a_replaced_answer_arrives_whole() {
        for room in [1, 7, 100_000] {
            let (near, mut far) = tokio::io::duplex(room);
            let writing = async move {
                let mut worded = Worded::new(near, "/pay");
                let bare = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
                worded.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                worded.write_all(bare).await.unwrap();
            };
            let mut text = String::new();
            let (_, read) = tokio::join!(writing, far.read_to_string(&mut text));
            read.unwrap();
            let (_, answer) = text.split_once("\r\n\r\n").unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
            assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            assert_eq!(body["type"], "/pay/problems/invalid_header");
        }
    }
}
