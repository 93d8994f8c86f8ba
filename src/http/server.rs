//! Listeners: HTTP/1.1 with limits on headers and time, and a stop that lets what runs finish.

use std::{future::Future, sync::Arc, time::Duration};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};

use crate::metrics::{self, Shed};

/// Longest time request headers may take to arrive.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// hyper refuses larger headers itself, without a body; below it guichet answers with a problem. With as many
/// connections as there may be, all of them sending headers slowly, this bounds the memory they hold to 128 MiB.
const HEADER_BUFFER: usize = 32 * 1024;
/// Most connections of the public listener: more than the requests that may be under way, because gateways keep
/// connections open.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Most connections of the ops listener: a scraper and some probes.
pub const OPS_CONNECTIONS_MAX: usize = 64;
/// What a connection too many gets.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Serves until `stop` resolves, then takes no new connection and waits at most `grace` for those that run. More than
/// `connections_max` connections are told 503 at once.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    stop: impl Future<Output = ()>,
    grace: Duration,
) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(HEADER_BUFFER)
        .keep_alive(true);
    let connections = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(connections_max));
    tokio::pin!(stop);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Too many open files and the like pass; do not spin meanwhile.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            metrics::shed(Shed::Connections);
            // Without waiting: whoever cannot take these few bytes now gets none.
            let _ = stream.try_write(TOO_MANY);
            continue;
        };
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(router.clone());
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!(
            "some requests did not end within the grace time; their changes are recovered at the next start"
        );
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    async fn ask(stream: &mut TcpStream) -> String {
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_connection_too_many_is_told_so_and_its_place_comes_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", get(|| async { "fine" }));
        tokio::spawn(serve(listener, router, 2, std::future::pending(), Duration::ZERO));
        let (mut first, second) =
            (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
        let mut third = TcpStream::connect(address).await.unwrap();
        let mut answer = Vec::new();
        let _ = third.read_to_end(&mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&answer));
        assert!(ask(&mut first).await.ends_with("fine"));
        drop((first, second));
        let again =
            async { while !ask(&mut TcpStream::connect(address).await.unwrap()).await.ends_with("fine") {} };
        tokio::time::timeout(Duration::from_secs(10), again).await.unwrap();
    }
}
