//! The listener: its own accept loop, because the faults need each TCP connection in hand.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::body::{Reply, ReplyBody};
use super::exchange::Core;
use super::platform::Received;

/// Longest request body that is read; a longer one closes the connection.
const BODY_LIMIT: usize = 1024 * 1024;

/// Signals and guards that every task of the server holds.
#[derive(Debug, Clone)]
pub(crate) struct Lifeline {
    /// Ends everything, also when its sender is dropped.
    pub(crate) stop: watch::Receiver<bool>,
    /// Nothing is ever sent: once all clones are gone, so are the tasks.
    pub(crate) _alive: mpsc::Sender<()>,
}

impl Lifeline {
    /// Completes when the simulators shall stop.
    async fn stopped(&self) {
        // An error means that the sender is gone, which says the same.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }
}

/// Accepts connections until told to stop, then closes them all.
pub(crate) async fn run(listener: TcpListener, core: Arc<Core>, lifeline: Lifeline) {
    let mut connections = JoinSet::new();
    let mut number: u64 = 0;
    loop {
        tokio::select! {
            biased;
            () = lifeline.stopped() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    number = number.saturating_add(1);
                    connections.spawn(connection(stream, number, Arc::clone(&core), lifeline.clone()));
                }
                // Out of file descriptors, most likely: wait for some to come back instead of spinning.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, number: u64, core: Arc<Core>, lifeline: Lifeline) {
    // Without it, small answers wait for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let mut closings = core.connections.subscribe();
    let service = service_fn(|request: http::Request<Incoming>| {
        let core = Arc::clone(&core);
        let lifeline = lifeline.clone();
        async move { respond(request, number, core, lifeline).await }
    });
    let serving = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // An error here is a client that went away, or a cut that the fault plan ordered.
        _ = serving => {}
        _ = closings.changed() => {}
    }
}

async fn respond(
    request: http::Request<Incoming>,
    connection: u64,
    core: Arc<Core>,
    lifeline: Lifeline,
) -> io::Result<http::Response<ReplyBody>> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_LIMIT).collect().await.map_err(io::Error::other)?.to_bytes();
    let received = Received {
        method: head.method,
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body,
        connection,
    };
    // A task of its own: hyper drops this future when the client hangs up, and a platform that has read a request
    // carries it out all the same.
    let exchange = tokio::spawn(async move {
        tokio::select! {
            biased;
            () = lifeline.stopped() => Reply::Nothing,
            reply = core.exchange(received) => reply,
        }
    });
    exchange.await.map_err(io::Error::other)?.into_wire()
}
