//! Deliveries over real HTTP from a real store: nothing lost, nothing sent where it must not go.

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Request, StatusCode},
    response::{IntoResponse, Response},
};
use http_body_util::BodyExt;
use secrecy::ExposeSecret;

use super::*;
use crate::{
    config::{AuthMode, Network},
    domain::{Amounts, Cause, Mode, Order, OrderStatus, ProviderStatus},
    store::{Store, sqlite::SqliteStore},
};

/// A message as received, and whether it was answered with success.
#[derive(Debug, Clone)]
struct Received {
    headers: HeaderMap,
    body: Vec<u8>,
    taken: bool,
}

impl Received {
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

type Answer = dyn Fn(usize) -> Response + Send + Sync;

/// A receiver that answers by the number of the call, from 0.
#[derive(Clone)]
struct Receiver {
    port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    answer: Arc<Answer>,
}

impl Receiver {
    async fn start(answer: impl Fn(usize) -> Response + Send + Sync + 'static) -> Self {
        // On all addresses of this machine: a test that must not reach one of them would reach it.
        let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self { port, received: Arc::default(), answer: Arc::new(answer) };
        let router = Router::new().fallback(Self::receive).with_state(receiver.clone());
        let stop = std::future::pending();
        let options = crate::http::server::ServeOptions::new(64, None);
        tokio::spawn(crate::http::server::serve(listener, router, options, stop));
        receiver
    }

    async fn receive(State(receiver): State<Self>, request: Request<axum::body::Body>) -> Response {
        let headers = request.headers().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes().to_vec();
        let mut received = receiver.received.lock().unwrap();
        let response = (receiver.answer)(received.len());
        received.push(Received { headers, body, taken: response.status().is_success() });
        response
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }
    fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
    fn taken(&self) -> Vec<Received> {
        self.all().into_iter().filter(|received| received.taken).collect()
    }
}

fn ok(_: usize) -> Response {
    StatusCode::OK.into_response()
}

/// A store in a folder of its own, which can be opened again.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }
    fn open(&self) -> Arc<SqliteStore> {
        let url = format!("sqlite://{}", self.folder.path().join("store.db").display());
        Arc::new(SqliteStore::open(&url).unwrap())
    }
}

fn clients(accounts: &AllowedAccounts) -> Clients {
    let mut settings = crate::config::sandbox_defaults().auth;
    settings.mode = AuthMode::ApiKey;
    settings.clients = vec![crate::config::ClientSettings {
        name: "shop".to_owned(),
        key_sha256: Vec::new(),
        certificates: Vec::new(),
        via_gateway: false,
        scopes: std::collections::BTreeSet::new(),
        accounts: accounts.clone(),
    }];
    Clients::new(&settings)
}

fn options(pauses: &[u64]) -> OutboxOptions {
    let webhooks = WebhookSettings {
        allow_networks: vec![Network::parse("127.0.0.1").unwrap()],
        timeout: Duration::from_secs(5),
        lapse_days: 30,
    };
    let pauses = pauses.iter().copied().map(Duration::from_millis).collect();
    OutboxOptions {
        schedule: Schedule::new(pauses),
        ..OutboxOptions::new(webhooks, clients(&AllowedAccounts::All), Tracer::default())
    }
}

fn caller() -> Caller {
    Caller {
        client: "shop".to_owned(),
        accounts: AllowedAccounts::All,
        scopes: std::collections::BTreeSet::new(),
        request_id: "req-1".to_owned(),
    }
}

fn to(url: impl Into<String>) -> NewEndpoint {
    NewEndpoint { url: url.into(), description: None, event_types: EventFilter::default(), enabled: true }
}

/// A copy asked for at its time, of an order that nothing was changed of.
fn reading(order: Order) -> crate::domain::Reading {
    let at = order.as_of;
    crate::domain::Reading { order, asked: at.as_millis(), change_count: Some(0), at }
}

fn copy(id: &str, status: OrderStatus, as_of: i64) -> Order {
    Order {
        id: id.parse().unwrap(),
        provider: "platform".to_owned(),
        mode: Mode::Test,
        merchant_reference: None,
        status,
        is_final: false,
        provider_status: ProviderStatus { code: "X".to_owned(), message: None },
        amount: 1_250,
        currency: "EUR".parse().unwrap(),
        amounts: Amounts::unpaid(1_250),
        checkout: None,
        delivery: None,
        description: None,
        locale: None,
        metadata: BTreeMap::new(),
        created_at: None,
        updated_at: None,
        expires_at: None,
        as_of: Timestamp::from_millis(1_700_000_000_000 + as_of),
        waits_for: crate::domain::WaitsFor::default(),
        deadline_at: None,
        news: Vec::new(),
        available_actions: Vec::new(),
        provider_data: serde_json::Map::new(),
    }
}

/// Brings each order to another status so many times; one event each.
async fn change(store: &SqliteStore, orders: &[&str], from: i64, times: i64) {
    for number in from..from + times {
        let status = if number % 2 == 0 { OrderStatus::Processing } else { OrderStatus::Paid };
        for order in orders {
            store.save_copies(vec![reading(copy(order, status, number))], Cause::default()).await.unwrap();
        }
    }
}

/// Orders as known before anything happened to them.
async fn know(store: &SqliteStore, orders: &[&str]) {
    for order in orders {
        store
            .save_copies(vec![reading(copy(order, OrderStatus::Pending, -1))], Cause::default())
            .await
            .unwrap();
    }
}

async fn until(what: &str, seen: impl AsyncFn() -> bool) {
    for _ in 0..600 {
        if seen().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not in 30 seconds: {what}");
}

fn verify(received: &Received, secret: &SecretString) -> bool {
    let receiver = standardwebhooks::Webhook::new(secret.expose_secret()).unwrap();
    receiver.verify(&received.body, &received.headers).is_ok()
}

/// The sequences taken, by order, in their order and without repetitions.
fn sequences(received: &[Received]) -> BTreeMap<String, Vec<i64>> {
    let mut all: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for message in received {
        let data = &message.json()["data"];
        let order = data["order_id"].as_str().unwrap().to_owned();
        all.entry(order).or_default().push(data["sequence"].as_i64().unwrap());
    }
    for sequences in all.values_mut() {
        sequences.sort_unstable();
        sequences.dedup();
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_a_third_fails_and_the_store_restarts() {
    const PAUSES: [u64; 40] = [30; 40];
    let names: Vec<String> = (0..10).map(|number| format!("shop_order{number}")).collect();
    let orders: Vec<&str> = names.iter().map(String::as_str).collect();
    let receiver = Receiver::start(|call| match call % 3 {
        0 => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    })
    .await;
    let place = Place::new();

    let store = place.open();
    know(&store, &orders).await;
    let outbox = Outbox::start(store.clone(), options(&PAUSES)).unwrap();
    let endpoint = outbox.create(&caller(), to(receiver.url())).await.unwrap();
    change(&store, &orders, 0, 3).await;
    // Some are sent, some are planned, some are neither.
    until("the first deliveries", async || receiver.taken().len() > 5).await;
    outbox.stop(Duration::ZERO).await;
    change(&store, &orders, 3, 2).await;
    store.close().await;
    drop((outbox, store));

    let store = place.open();
    let outbox = Outbox::start(store.clone(), options(&PAUSES)).unwrap();
    change(&store, &orders, 5, 3).await;
    let expected: BTreeMap<String, Vec<i64>> =
        names.iter().map(|name| (name.clone(), (1..=8).collect())).collect();
    until("every event", async || sequences(&receiver.taken()) == expected).await;

    let all = receiver.all();
    assert!(all.len() > 80 * 5 / 4, "a third failed, but only {} were sent", all.len());
    for received in &all {
        assert!(verify(received, &endpoint.secret), "{received:?}");
        let json = received.json();
        assert_eq!(json["type"], json["data"]["type"]);
        assert_eq!(json["data"]["id"], received.header("webhook-id"));
        assert!(received.body.len() < 20_000);
    }
    // The log agrees: delivered, each after as many attempts as were made of it.
    until("the log", async || {
        let delivered = Some(DeliveryStatus::Delivered);
        outbox.deliveries(&caller(), endpoint.id, delivered, i64::MAX, 200).await.unwrap().len() == 80
    })
    .await;
    outbox.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_is_listed_and_replayed() {
    let receiver = Receiver::start(|call| match call {
        0 => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        1 => StatusCode::NOT_FOUND.into_response(),
        _ => StatusCode::ACCEPTED.into_response(),
    })
    .await;
    let place = Place::new();
    let store = place.open();
    know(&store, &["shop_a"]).await;
    let outbox = Outbox::start(store.clone(), options(&[0, 10])).unwrap();
    let id = outbox.create(&caller(), to(receiver.url())).await.unwrap().id;
    change(&store, &["shop_a"], 0, 1).await;
    let dead =
        async || outbox.deliveries(&caller(), id, Some(DeliveryStatus::Dead), i64::MAX, 10).await.unwrap();
    until("two failures", async || dead().await.len() == 1).await;
    let delivery = dead().await.remove(0);
    let results: Vec<_> =
        delivery.attempts.iter().map(|attempt| (attempt.result.as_str(), attempt.http_status)).collect();
    assert_eq!(results, [("redirect", Some(302)), ("http_error", Some(404))]);
    assert_eq!(receiver.all().len(), 2, "nobody follows a redirect");

    let event = delivery.event.event.id;
    let occurred_at = delivery.event.event.event.occurred_at;
    let range = |from: Timestamp, only_dead| ReplaySelection::Range { from, to: None, only_dead };
    let later = occurred_at.plus(Duration::from_secs(1));
    assert_eq!(outbox.replay(&caller(), id, range(later, false)).await.unwrap(), 0);
    assert_eq!(outbox.replay(&caller(), id, range(occurred_at, true)).await.unwrap(), 1);
    until("the replay", async || receiver.all().len() == 3).await;
    until("no dead letters", async || dead().await.is_empty()).await;
    until("the end of it", async || {
        let all = outbox.deliveries(&caller(), id, None, i64::MAX, 10).await.unwrap();
        all[0].status == DeliveryStatus::Delivered && all[0].attempts.len() == 3
    })
    .await;
    assert_eq!(outbox.replay(&caller(), id, range(occurred_at, true)).await.unwrap(), 0);
    assert_eq!(outbox.replay(&caller(), id, ReplaySelection::Event(event)).await.unwrap(), 1);
    until("the event again", async || receiver.all().len() == 4).await;
    let ids: Vec<_> =
        receiver.all().iter().map(|received| received.header("webhook-id").to_owned()).collect();
    assert_eq!(ids, vec![event.to_string(); 4]);
    let unknown = ReplaySelection::Event(EventId::generate());
    assert_eq!(outbox.replay(&caller(), id, unknown).await.unwrap(), 0);
    outbox.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gone_disables_and_nothing_is_lost_meanwhile() {
    let receiver =
        Receiver::start(|call| if call == 0 { StatusCode::GONE.into_response() } else { ok(call) }).await;
    let place = Place::new();
    let store = place.open();
    know(&store, &["shop_a"]).await;
    let outbox = Outbox::start(store.clone(), options(&[0, 10, 10])).unwrap();
    let id = outbox.create(&caller(), to(receiver.url())).await.unwrap().id;
    change(&store, &["shop_a"], 0, 1).await;
    until("the endpoint is off", async || !outbox.endpoint(&caller(), id).await.unwrap().enabled).await;
    let off = outbox.endpoint(&caller(), id).await.unwrap();
    assert_eq!(off.disabled_reason.as_deref(), Some("gone"));
    change(&store, &["shop_a"], 1, 3).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(receiver.all().len(), 1, "nothing is sent to an endpoint that is off");
    let on = EndpointPatch { enabled: Some(true), ..EndpointPatch::default() };
    assert_eq!(outbox.update(&caller(), id, on).await.unwrap().disabled_reason, None);
    until("all four", async || sequences(&receiver.taken()).get("shop_a") == Some(&vec![1, 2, 3, 4])).await;
    outbox.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_asks_for_less_gets_less() {
    let receiver = Receiver::start(|call| {
        if call == 0 {
            return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")]).into_response();
        }
        ok(call)
    })
    .await;
    let place = Place::new();
    let store = place.open();
    know(&store, &["shop_a"]).await;
    let outbox = Outbox::start(store.clone(), options(&[0, 10, 10])).unwrap();
    let id = outbox.create(&caller(), to(receiver.url())).await.unwrap().id;
    change(&store, &["shop_a"], 0, 1).await;
    until("slowness", async || outbox.endpoint(&caller(), id).await.unwrap().slow_until.is_some()).await;
    let until_then = outbox.endpoint(&caller(), id).await.unwrap().slow_until.unwrap();
    assert!(until_then.since(Timestamp::now()) > Duration::from_secs(5), "{until_then}");
    change(&store, &["shop_a"], 1, 5).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.all().len(), 1, "nothing before Retry-After is over");
    until("everything", async || sequences(&receiver.taken()).get("shop_a").is_some_and(|s| s.len() == 6))
        .await;
    assert!(Timestamp::now() >= until_then);
    until("full speed", async || outbox.endpoint(&caller(), id).await.unwrap().slow_until.is_none()).await;
    outbox.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_what_it_may_see_and_wants() {
    let receiver = Receiver::start(ok).await;
    let place = Place::new();
    let store = place.open();
    let orders = ["shop_a", "other_a"];
    know(&store, &orders).await;
    let mut options = options(&[0, 10]);
    options.clients = clients(&AllowedAccounts::Named(["shop".to_owned()].into()));
    let outbox = Outbox::start(store.clone(), options).unwrap();
    let mut new = to(receiver.url());
    new.event_types = EventFilter::new(["order.updated", "refund.*"]).unwrap();
    let id = outbox.create(&caller(), new).await.unwrap().id;
    change(&store, &orders, 0, 4).await;
    until("two", async || receiver.taken().len() == 2).await;
    let newest = *store.watch_events().borrow();
    until("all of them looked at", async || outbox.endpoint(&caller(), id).await.unwrap().position == newest)
        .await;
    let page = outbox.events(&caller(), None, &EventFilter::default(), 0, 50).await.unwrap();
    assert_eq!(page.items.len(), 4, "the feed has every type, but no other account");
    assert!(page.items.iter().all(|placed| placed.account.as_str() == "shop"));
    let refused = outbox.events(&caller(), Some("other"), &EventFilter::default(), 0, 50).await.unwrap_err();
    assert_eq!(refused.code, ProblemCode::NotFound);

    // A client that is not configured any more gets nothing, and what it missed when it is again.
    outbox.replace_clients(clients(&AllowedAccounts::Named(["other".to_owned()].into())));
    change(&store, &orders, 4, 2).await;
    until("one of the other", async || receiver.taken().len() == 4).await;
    assert_eq!(sequences(&receiver.taken())["other_a"], [5, 6]);
    let stranger = Caller { client: "stranger".to_owned(), ..caller() };
    assert_eq!(outbox.endpoint(&stranger, id).await.unwrap_err().code, ProblemCode::NotFound);
    assert!(outbox.endpoints(&stranger).await.unwrap().is_empty());
    assert!(outbox.events(&stranger, None, &EventFilter::default(), 0, 1).await.is_err());
    // What was planned for it before is not sent.
    assert_eq!(
        outbox.replay(&caller(), id, ReplaySelection::Event(page.items[1].event.id)).await.unwrap(),
        1
    );
    until("a refusal of our own", async || {
        let dead = outbox.deliveries(&caller(), id, Some(DeliveryStatus::Dead), i64::MAX, 9).await.unwrap();
        dead.iter().any(|delivery| delivery.attempts.last().unwrap().result == "account_not_allowed")
    })
    .await;
    assert_eq!(receiver.all().len(), 4);
    outbox.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_secrets_sign_while_they_overlap() {
    let receiver = Receiver::start(ok).await;
    let place = Place::new();
    let store = place.open();
    let outbox = Outbox::start(store, options(&[0])).unwrap();
    let first = outbox.create(&caller(), to(receiver.url())).await.unwrap();
    let second = outbox.rotate(&caller(), first.id, Duration::from_secs(60)).await.unwrap();
    assert!(outbox.test(&caller(), first.id).await.unwrap().delivered);
    let third = outbox.rotate(&caller(), first.id, Duration::ZERO).await.unwrap();
    assert!(outbox.test(&caller(), first.id).await.unwrap().delivered);
    let received = receiver.all();
    let by = |number: usize| [&first, &second, &third].map(|made| verify(&received[number], &made.secret));
    assert_eq!(by(0), [true, true, false]);
    assert_eq!(by(1), [false, false, true]);
    assert_eq!(received[0].json()["type"], "webhook.test");
    for made in [&first, &second, &third] {
        let secret = made.secret.expose_secret();
        assert!(!format!("{made:?} {outbox:?}").contains(secret.trim_start_matches("whsec_")));
    }
    outbox.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_have_twenty() {
    let place = Place::new();
    let outbox = Outbox::start(place.open(), options(&[0])).unwrap();
    for _ in 0..ENDPOINTS_MAX {
        outbox.create(&caller(), to("https://host.example/")).await.unwrap();
    }
    let refused = outbox.create(&caller(), to("https://host.example/")).await.unwrap_err();
    assert_eq!(refused.code, ProblemCode::EndpointLimitReached);
    let endpoints = outbox.endpoints(&caller()).await.unwrap();
    outbox.delete(&caller(), endpoints[7].id).await.unwrap();
    outbox.delete(&caller(), endpoints[7].id).await.unwrap_err();
    outbox.create(&caller(), to("https://host.example/")).await.unwrap();
    outbox
        .create(&Caller { client: "other".to_owned(), ..caller() }, to("https://host.example/"))
        .await
        .unwrap();
    outbox.stop(Duration::ZERO).await;
}

/// Answers from a list, one after the other, and counts.
#[derive(Debug)]
struct Fickle {
    answers: Mutex<Vec<Vec<&'static str>>>,
}

#[async_trait::async_trait]
impl Resolver for Fickle {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        assert_eq!(host, "hook.example");
        let answer = self.answers.lock().unwrap().remove(0);
        Ok(answer.into_iter().map(|address| address.parse().unwrap()).collect())
    }
}

/// Only 127.0.0.1 is allowed; the receiver listens on 127.0.0.2 too, and would answer there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_changes_its_mind_reaches_nothing_else() {
    let receiver = Receiver::start(|_| (StatusCode::OK, [("connection", "close")]).into_response()).await;
    let resolver = Arc::new(Fickle {
        answers: Mutex::new(vec![
            vec!["127.0.0.1"],
            vec!["127.0.0.2"],
            vec!["127.0.0.1", "127.0.0.2"],
            vec!["::ffff:127.0.0.2"],
            vec!["169.254.169.254"],
            vec!["127.0.0.1"],
        ]),
    });
    let mut options = options(&[0]);
    options.resolver = resolver.clone();
    let place = Place::new();
    let outbox = Outbox::start(place.open(), options).unwrap();
    let url = format!("http://hook.example:{}/hook", receiver.port);
    let id = outbox.create(&caller(), to(url)).await.unwrap().id;
    let mut results = Vec::new();
    for _ in 0..6 {
        results.push(outbox.test(&caller(), id).await.unwrap().result);
    }
    let refused = "address_refused";
    assert_eq!(results, ["delivered", refused, refused, refused, refused, "delivered"]);
    assert_eq!(receiver.all().len(), 2);
    // One question each: what was checked is what was used.
    assert!(resolver.answers.lock().unwrap().is_empty());
    outbox.stop(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_reached_has_a_word() {
    let silent = Receiver::start(|_| {
        std::thread::sleep(Duration::from_millis(900));
        StatusCode::OK.into_response()
    })
    .await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut options = options(&[0]);
    options.webhooks.timeout = Duration::from_millis(300);
    let place = Place::new();
    let outbox = Outbox::start(place.open(), options).unwrap();
    for (url, word) in [(silent.url(), "timed_out"), (format!("http://{closed}/"), "not_connected")] {
        let id = outbox.create(&caller(), to(url)).await.unwrap().id;
        assert_eq!(outbox.test(&caller(), id).await.unwrap().result, word);
    }
    for url in ["https://127.0.0.2/", "http://10.0.0.1/", "https://[::1]/", "https://0x7f.2/"] {
        let refused = outbox.create(&caller(), to(url)).await.unwrap_err();
        assert_eq!(refused.errors[0].pointer, "/url", "{url}");
    }
    outbox.stop(Duration::ZERO).await;
}

/// A receiver that keeps its answer open has taken the event: telling it again would be once too often.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_an_end_is_delivered_and_told_once() {
    let receiver = Receiver::start(|_| {
        let never = futures_util::stream::pending::<Result<bytes::Bytes, io::Error>>();
        axum::body::Body::from_stream(never).into_response()
    })
    .await;
    let place = Place::new();
    let store = place.open();
    know(&store, &["shop_a"]).await;
    let mut options = options(&[0, 10, 10]);
    options.webhooks.timeout = Duration::from_millis(1_500);
    let outbox = Outbox::start(store.clone(), options).unwrap();
    let id = outbox.create(&caller(), to(receiver.url())).await.unwrap().id;
    let tested = outbox.test(&caller(), id).await.unwrap();
    assert_eq!((tested.delivered, tested.result, tested.http_status), (true, "delivered", Some(200)));
    change(&store, &["shop_a"], 0, 1).await;
    until("the delivery", async || {
        let all = outbox.deliveries(&caller(), id, None, i64::MAX, 10).await.unwrap();
        all.first().is_some_and(|delivery| !delivery.attempts.is_empty())
    })
    .await;
    let all = outbox.deliveries(&caller(), id, None, i64::MAX, 10).await.unwrap();
    assert_eq!((all[0].status, all[0].attempts.len()), (DeliveryStatus::Delivered, 1));
    assert_eq!(receiver.all().len(), 2, "the test and the event");
    outbox.stop(Duration::ZERO).await;
}
