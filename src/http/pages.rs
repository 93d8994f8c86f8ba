//! What people open in a browser: Swagger UI, the document, a page per problem code. And the probes.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};

use super::{
    Api,
    error::{Failed, no_such_method_of_probes, no_such_probe},
    host, openapi,
};
use crate::{
    domain::Timestamp,
    metrics,
    problem::{Problem, ProblemCode},
    store::{StoreError, deadline},
};

/// Longest time that a probe or a scrape waits for the store: shorter than what asks them waits.
const STORE_TIME: Duration = Duration::from_secs(2);

/// Nothing from elsewhere may be loaded or asked by the Swagger UI page.
const DOCS_POLICY: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                           script-src 'self' 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'";

pub(super) fn router() -> Router<Api> {
    // Relative, so that a gateway may put a prefix before every address.
    let config = utoipa_swagger_ui::Config::new(["../openapi.json"])
        .validator_url("none")
        .persist_authorization(false)
        .try_it_out_enabled(false);
    let config = Arc::new(config);
    let docs = {
        let config = Arc::clone(&config);
        move |Path(file): Path<String>| async move { swagger_file(&file, config) }
    };
    Router::new()
        .route("/openapi.json", get(document))
        .route("/docs", get(docs_without_slash))
        .route("/docs/", get(move || async move { swagger_file("", config) }))
        .route("/docs/{*file}", get(docs))
}

async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi::document()).into_response()
}

/// The page's files are found relative to `/docs/`, with or without a gateway's prefix.
async fn docs_without_slash() -> Response {
    let page = "<!doctype html><meta charset=utf-8><title>Guichet</title>\
                <script>location.replace(location.pathname + '/' + location.hash)</script>\
                <noscript><a href=\"docs/\">Swagger UI</a></noscript>";
    ([(header::CONTENT_SECURITY_POLICY, DOCS_POLICY)], Html(page)).into_response()
}

fn swagger_file(file: &str, config: Arc<utoipa_swagger_ui::Config<'static>>) -> Response {
    match utoipa_swagger_ui::serve(file, config) {
        Ok(Some(found)) => {
            // The scripts have more than a megabyte: a copy for each caller would be the memory of all who do not read.
            let bytes = match found.bytes {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            let policy = header::HeaderValue::from_static(DOCS_POLICY);
            let mut response = ([(header::CONTENT_TYPE, found.content_type)], bytes).into_response();
            response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
            response
        }
        Ok(None) => Failed::from(Problem::plain(ProblemCode::NotFound)).into_response(),
        Err(error) => {
            tracing::error!(%error, "Swagger UI cannot be served");
            Failed::from(Problem::plain(ProblemCode::InternalError)).into_response()
        }
    }
}

/// Read what a problem code means.
///
/// The address in `type` of every problem. A page for people, JSON for programs that ask for it.
#[utoipa::path(
    get, path = "/problems/{code}", operation_id = "readProblemCode", tag = "problems",
    params(("code" = String, Path, description = "Problem code", example = "order_state_conflict")),
    responses((status = 200, description = "What the code means", content(
        (openapi::ProblemCodeBody = "application/json"), (String = "text/html")))),
    security(())
)]
pub(super) async fn problem_page(Path(code): Path<String>, headers: HeaderMap) -> Result<Response, Failed> {
    let code = ProblemCode::from_word(&code).ok_or_else(|| Problem::plain(ProblemCode::NotFound))?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("json") && !accept.contains("text/html") {
        return Ok(axum::Json(openapi::ProblemCodeBody::new(code)).into_response());
    }
    let page = PROBLEM_PAGES.iter().find(|(known, _)| *known == code).map(|(_, page)| page.clone());
    Ok(Html(page.unwrap_or_default()).into_response())
}

/// The page of every code, made once. Callers share the bytes.
static PROBLEM_PAGES: LazyLock<Vec<(ProblemCode, Bytes)>> =
    LazyLock::new(|| ProblemCode::ALL.iter().map(|code| (*code, html_of(*code).into())).collect());

fn html_of(code: ProblemCode) -> String {
    let (word, status, title, meaning) = (code.as_str(), code.status(), code.title(), code.meaning());
    let again = if code.retryable() { "yes" } else { "no" };
    // Every text is ours and free of markup.
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:3em auto;\
         padding:0 1em}}dt{{font-weight:600}}</style><h1>{title}</h1><p>{meaning}</p><dl><dt>Code</dt>\
         <dd><code>{word}</code></dd><dt>HTTP status</dt><dd>{status}</dd>\
         <dt>May the same request be sent again?</dt><dd>{again}</dd></dl></html>"
    )
}

pub(super) fn ops_router() -> Router<Api> {
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .fallback(no_such_probe)
        .method_not_allowed_fallback(no_such_method_of_probes)
        .layer(middleware::from_fn(host::check_of_probes))
}

/// What Prometheus scrapes. What is open in the store is counted now.
async fn metrics_text(State(api): State<Api>) -> Response {
    let registry = api.orders.registry();
    let mut breakers = BTreeMap::new();
    for account in registry.accounts() {
        let state = account.adapter.link().breaker.as_number();
        let worst = breakers.entry(account.adapter.provider()).or_insert(state);
        *worst = state.max(*worst);
    }
    let counted =
        async { (api.orders.reads.overdue().await, api.orders.store().backlog(Timestamp::now()).await) };
    let (follow_overdue, backlog) = deadline::at_most(STORE_TIME, counted).await;
    let standing = metrics::Standing {
        breakers: breakers.into_iter().collect(),
        follow_overdue,
        stuck: api.orders.stuck_outcomes(),
    };
    let backlog = match backlog {
        Ok(backlog) => Some(backlog),
        Err(error) => {
            tracing::error!(%error, "the store could not be counted for metrics");
            None
        }
    };
    ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], metrics::render(backlog.as_ref(), &standing))
        .into_response()
}

/// Ready: the store can write in time and the process is not stopping. A dead provider does not make us unready.
async fn ready(State(api): State<Api>) -> Response {
    if api.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    match deadline::at_most(STORE_TIME, api.orders.store().check_writable()).await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::error!(%error, "not ready: the store cannot write");
            let is_late = matches!(error, StoreError::TooLate | StoreError::StillRunning);
            let why = if is_late { "the store does not answer\n" } else { "the store cannot write\n" };
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
    }
}
