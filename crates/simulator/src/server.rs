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
    pub(crate) async fn stopped(&self) {
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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use crate::rig::{CREATE, Rig, UPDATE};
    use crate::{Fault, FaultKind, Moment};

    #[tokio::test]
    async fn stopping_closes_the_listener_idle_connections_and_running_requests() {
        let rig = Rig::new().await;
        let address = rig.running.local_addr();
        let mut idle = TcpStream::connect(address).await.unwrap();
        let hold = FaultKind::Hold { when: Moment::Before };
        let fault = rig.control.add_fault(Fault::new("lyra", hold).on_service(UPDATE));
        let parked = tokio::spawn(rig.request("systempay", UPDATE, "{}").send());
        rig.control.held(fault).await;
        rig.running.stop().await;
        assert!(parked.await.unwrap().is_err());
        assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert!(TcpStream::connect(address).await.is_err());
        assert!(rig.control.effects().is_empty());
    }

    #[tokio::test]
    async fn dropping_stops_too() {
        let rig = Rig::new().await;
        let mut idle = TcpStream::connect(rig.running.local_addr()).await.unwrap();
        drop(rig.running);
        assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0);
    }

    #[tokio::test]
    async fn closed_connections_are_replaced_by_new_ones() {
        let rig = Rig::new().await;
        let body = json!({"amount": 1, "currency": "EUR"});
        // A connection seen by the test alone, so that its end is certain before the next request.
        let mut watched = TcpStream::connect(rig.running.local_addr()).await.unwrap();
        watched.write_all(b"GET /_control/clock HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(watched.read(&mut [0; 512]).await.unwrap() > 0);
        rig.done("systempay", CREATE, &body).await;
        rig.control.close_connections();
        while watched.read(&mut [0; 512]).await.unwrap_or(0) > 0 {}
        let fresh = Rig { client: reqwest::Client::builder().no_proxy().build().unwrap(), ..rig };
        fresh.done("systempay", CREATE, &body).await;
        let log = fresh.control.request_log();
        assert_ne!(log[0].connection, log[1].connection);
    }
}
