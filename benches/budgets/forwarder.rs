//! The comparison: the same runtime, allocator, server and client as guichet, and nothing in between.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{Path, State},
    http::header,
    response::IntoResponse,
    routing::get,
};
use bytes::Bytes;

/// Where everything goes.
#[derive(Clone)]
struct Upstream {
    client: reqwest::Client,
    url: reqwest::Url,
}

/// Sends the reference of the path to the provider and hands its bytes back.
async fn forward(State(upstream): State<Upstream>, Path(id): Path<String>) -> impl IntoResponse {
    let reference = id.split('_').nth(1).unwrap_or_default();
    let body = format!("{{\"paymentOrderId\":\"{reference}\"}}");
    let answer = upstream
        .client
        .post(upstream.url.clone())
        .header(header::CONTENT_TYPE, "application/json")
        .body(body)
        .send()
        .await
        .expect("the provider answers");
    let bytes: Bytes = answer.bytes().await.expect("the provider's answer ends");
    ([(header::CONTENT_TYPE, "application/json")], bytes)
}

pub async fn serve(listen: SocketAddr, upstream: &str) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client =
        reqwest::Client::builder().no_proxy().http1_only().tcp_nodelay(true).build().expect("an HTTP client");
    let upstream = Upstream { client, url: upstream.parse().expect("an address") };
    let router = Router::new().route("/orders/{id}", get(forward)).with_state(upstream);
    let listener = tokio::net::TcpListener::bind(listen).await.expect("the forwarder's address");
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, router).await.expect("the forwarder runs");
}
