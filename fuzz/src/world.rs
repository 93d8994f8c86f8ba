//! The adapters under test, with keys that are known, and how they are answered.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    future::Future,
    sync::{Arc, LazyLock},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use tokio::runtime::{Builder, Runtime};

use guichet::{
    adapter::{
        AccountSettings, AdapterContext, Answer, ProviderAdapter, Recall, Registry, Result,
        outbound::{CallFailure, Outbound, Outgoing},
    },
    domain::{Order, OrderMemory, money::MAX_MINOR},
};

thread_local! {
    /// What the providers of this thread answer, the next one first.
    static ANSWERS: RefCell<VecDeque<Answer>> = const { RefCell::new(VecDeque::new()) };
}

/// Providers that answer as [`answered`] was told, and then cannot be reached.
#[derive(Debug)]
struct Scripted;

#[async_trait]
impl Outbound for Scripted {
    async fn exchange(&self, outgoing: Outgoing) -> std::result::Result<Answer, CallFailure> {
        // A read that could not connect would be repeated after a pause.
        let end = if outgoing.is_change { CallFailure::NotConnected } else { CallFailure::TooLarge };
        ANSWERS.with_borrow_mut(VecDeque::pop_front).ok_or(end)
    }
}

/// Published key of the platform's demonstration shop, as in `fixtures/notification_paid.json`.
pub(super) const LYRA_KEY: &str = "testpassword_DEMOPRIVATEKEY23G4475zXZQ2UA5x7M";
/// Published key of the platform's test shop.
pub(super) const SIPS_KEY: &str = "002001000000001_KEY1";
pub(super) const SIPS_MERCHANT: &str = "002001000000001";
/// As in the fixtures of notifications.
pub(super) const YABANDPAY_KEY: &str = "made-up-secret-for-tests-0001";

/// Accounts of every platform and, where it decides how messages are read, every setting.
pub(super) struct World {
    pub(super) registry: Registry,
}

impl World {
    pub(super) fn adapter(&self, account: &str) -> &dyn ProviderAdapter {
        let name = account.parse().expect("the name of an account");
        &*self.registry.account(&name).expect("an account of this world").adapter
    }
}

pub(super) fn world() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(|| {
        let sips = [("brand", "sherlocks"), ("environment", "test"), ("key_version", "1")];
        let accounts = [
            ("lyra", "lyra", vec![("brand", "systempay"), ("shop_id", "69876357"), ("password", LYRA_KEY)]),
            (
                "sips",
                "sips",
                [&sips[..], &[("merchant_id", SIPS_MERCHANT), ("secret_key", SIPS_KEY)]].concat(),
            ),
            (
                "sips-s10",
                "sips",
                [
                    &sips[..],
                    &[("merchant_id", "002001000000009"), ("secret_key", SIPS_KEY), ("reference_by", "s10")],
                ]
                .concat(),
            ),
            (
                "yabandpay",
                "yabandpay",
                vec![("user", "900001"), ("secret_key", YABANDPAY_KEY), ("mode", "test")],
            ),
        ];
        let settings: BTreeMap<String, AccountSettings> = accounts
            .into_iter()
            .map(|(name, provider, pairs)| {
                (name.to_owned(), AccountSettings::from_pairs(name, provider, pairs))
            })
            .collect();
        let second = Duration::from_secs(1);
        let context = AdapterContext {
            outbound: Some(Arc::new(Scripted)),
            ..AdapterContext::new("https://pay.example/g", second, second)
        };
        let registry = Registry::build(&settings, &guichet_providers::all(), &context);
        World { registry: registry.unwrap_or_else(|problems| panic!("{problems:?}")) }
    });
    &WORLD
}

/// What a call gives whose provider answers like this. Nothing waits; the runtime is for the deadlines.
pub(super) fn answered<T>(bodies: Vec<Vec<u8>>, call: impl Future<Output = T>) -> T {
    let answer = |body: Vec<u8>| Answer {
        status: 200,
        content_type: Some("application/json".to_owned()),
        body: Bytes::from(body),
    };
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));
    let _inside = RUNTIME.enter();
    ANSWERS.set(bodies.into_iter().map(answer).collect());
    let result = call.now_or_never();
    ANSWERS.take();
    result.expect("the adapter waited for something else than its provider")
}

/// What is remembered of an order, given beforehand.
pub(super) struct Remembered(pub(super) OrderMemory);

#[async_trait]
impl Recall for Remembered {
    async fn recall(&self) -> Result<OrderMemory> {
        Ok(self.0.clone())
    }
}

/// What is stored is read back the same.
pub(super) fn stays<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let stored = serde_json::to_string(value).expect("it can be stored");
    let read: T = serde_json::from_str(&stored).expect("what was stored can be read");
    assert_eq!(value, &read, "it changes in the store");
}

/// What holds of every order, whatever a provider says.
pub(super) fn check_order(order: &Order) {
    let within = |what: &str, amount: Option<i64>| {
        if let Some(amount) = amount {
            assert!((0..=MAX_MINOR).contains(&amount), "{what} is {amount}");
        }
    };
    let amounts = &order.amounts;
    within("amount", Some(order.amount));
    within("requested", amounts.requested);
    within("authorized", amounts.authorized);
    within("captured", amounts.captured);
    within("canceled", amounts.canceled);
    within("refunded", amounts.refunded);
    if let (Some(captured), Some(refunded)) = (amounts.captured, amounts.refunded) {
        assert!(refunded <= captured, "{refunded} of {captured} refunded");
    }
    for action in &order.available_actions {
        within("max", action.max);
        assert!(action.max.is_none_or(|max| max <= order.amount), "{action:?} of {}", order.amount);
    }
    if let Some(checkout) = &order.checkout {
        is_a_place_to_pay(&checkout.url);
        is_a_place_to_pay(&checkout.link);
    }
    if let Some(parameters) = order.provider_data.get("parameters").and_then(Value::as_object) {
        for text in parameters.values().filter_map(Value::as_str) {
            if url::Url::parse(text).is_ok() {
                is_a_place_to_pay(text);
            }
        }
    }
    stays(order);
}

/// A browser that is given this address opens a page or a wallet, whatever carries it there.
pub(super) fn is_a_place_to_pay(address: &str) {
    let url = url::Url::parse(address).expect("an address");
    assert!(["https", "http", "weixin", "alipay", "alipays"].contains(&url.scheme()), "{url}");
    assert!(url.has_host() && url.username().is_empty() && url.password().is_none(), "{url}");
    assert!(http::HeaderValue::from_str(address).is_ok() && address.len() <= 4_096, "{address}");
    let ends = |c: char| c.is_whitespace() || c.is_control() || "\"<>`\\".contains(c);
    assert!(!address.contains(ends), "{address:?}");
}

/// An object in this text.
pub(super) fn object(data: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(data).ok()
}
