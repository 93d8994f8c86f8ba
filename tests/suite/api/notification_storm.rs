//! Many notifications at once, of every provider: each three times, in any order and some of them late, a tenth forged.
//! Every order ends as its platform has it, each piece of news is applied once, nothing forged is taken.
//!
//! `make test` sends a tenth of what `make prove` sends.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use guichet_simulator::{PayerAction, SentNotice};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use reqwest::Method;
use serde_json::{Value, json};

use crate::rig::{Rig, new_order};

const CALLERS: usize = 32;
const SEED: u64 = 7;
/// How long everything that was sent may take to be applied.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a payer does to an order, and what must be told of it: two notifications, or one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Lyra: refused, tried again and accepted.
    DeclinedThenPaid,
    /// Sips: accepted at once.
    Paid,
    /// YabandPay: held for review, then accepted.
    ReviewedThenPaid,
    /// YabandPay: held for review, then refused.
    ReviewedThenDeclined,
}

impl Fate {
    /// Of every twelve orders: five, four, two and one; together twenty notifications.
    fn of(number: usize) -> Self {
        match number % 12 {
            0..=4 => Self::DeclinedThenPaid,
            5..=8 => Self::Paid,
            9..=10 => Self::ReviewedThenPaid,
            _ => Self::ReviewedThenDeclined,
        }
    }

    fn shop(self) -> Shop {
        match self {
            Self::DeclinedThenPaid => ("systempay", "lyra", "systempay"),
            Self::Paid => ("sherlocks", "sips", "sherlocks"),
            Self::ReviewedThenPaid | Self::ReviewedThenDeclined => ("yabandpay", "yabandpay", "yabandpay"),
        }
    }

    /// The changes of status that callers are told, one for each notification.
    fn statuses(self) -> &'static [&'static str] {
        match self {
            Self::DeclinedThenPaid => &["order.declined", "order.paid"],
            Self::Paid => &["order.paid"],
            Self::ReviewedThenPaid => &["order.in_review", "order.paid"],
            Self::ReviewedThenDeclined => &["order.in_review", "order.declined"],
        }
    }
}

/// Account, provider and brand.
type Shop = (&'static str, &'static str, &'static str);

struct Storm {
    rig: Rig,
    /// The fate of each order, by its id.
    orders: BTreeMap<String, Fate>,
    random: StdRng,
}

/// One call of `/notifications/{account}` and what it must be answered.
struct Post {
    account: &'static str,
    content_type: String,
    body: String,
    status: u16,
}

impl Post {
    fn genuine(account: &'static str, notice: &SentNotice) -> Self {
        Self { account, content_type: notice.content_type.clone(), body: notice.body.clone(), status: 200 }
    }
}

impl Storm {
    async fn new(orders: usize) -> Self {
        let rig = Rig::new().await;
        rig.control.set_notification_pauses(&[]);
        let made: BTreeMap<String, Fate> = stream::iter(0..orders)
            .map(|number| {
                let rig = &rig;
                async move {
                    let fate = Fate::of(number);
                    let mut body = new_order(&format!("storm{number}"));
                    body["account"] = json!(fate.shop().0);
                    let reply = rig.create(&format!("storm-{number}"), &body).await;
                    assert_eq!(reply.status, 201, "{reply:?}");
                    (reply.json["id"].as_str().unwrap().to_owned(), fate)
                }
            })
            .buffer_unordered(CALLERS)
            .collect()
            .await;
        assert_eq!(made.len(), orders);
        Self { rig, orders: made, random: StdRng::seed_from_u64(SEED) }
    }

    /// The payers, or the back offices, do the first or the second thing; gives what the platforms tell of it.
    fn act(&self, is_first: bool) -> Vec<(&'static str, SentNotice)> {
        let known = self.rig.control.notices().last().map_or(0, |notice| notice.sequence);
        for (id, fate) in &self.orders {
            let (account, provider, brand) = fate.shop();
            let order = id.strip_prefix(&format!("{account}_")).unwrap();
            let control = &self.rig.control;
            match (fate, is_first) {
                (Fate::DeclinedThenPaid, true) => {
                    control.payer(provider, brand, order, PayerAction::Decline).unwrap();
                }
                (Fate::DeclinedThenPaid, false) | (Fate::Paid, true) => {
                    control.payer(provider, brand, order, PayerAction::Pay).unwrap();
                }
                (Fate::Paid, false) => {}
                (Fate::ReviewedThenPaid | Fate::ReviewedThenDeclined, true) => {
                    control.act(provider, brand, Some(order), "verify").unwrap();
                }
                (Fate::ReviewedThenPaid, false) => {
                    control.act(provider, brand, Some(order), "release").unwrap();
                }
                (Fate::ReviewedThenDeclined, false) => {
                    control.act(provider, brand, Some(order), "refuse").unwrap();
                }
            }
        }
        let told = self.rig.control.notices().into_iter().filter(|notice| notice.sequence > known);
        let account = |notice: &SentNotice| match notice.provider.as_str() {
            "lyra" => "systempay",
            "sips" => "sherlocks",
            _ => "yabandpay",
        };
        told.map(|notice| (account(&notice), notice)).collect()
    }

    /// What somebody without the key makes of a genuine message of the account; `other` is another one of it.
    fn forged(&mut self, account: &'static str, notice: &SentNotice, other: &SentNotice) -> Post {
        let mark = match account {
            "systempay" => "kr-hash=",
            "sherlocks" => "Seal=",
            _ => "\"sign\":\"",
        };
        let genuine = &notice.body;
        let sign_at = genuine.find(mark).unwrap() + mark.len();
        let body = match self.random.random_range(0..4) {
            // Another reference or amount under the same signature.
            0 => genuine.replacen("storm", "strom", 1),
            // A signature of the right form that is none.
            1 => {
                let digit = if &genuine[sign_at..=sign_at] == "0" { "1" } else { "0" };
                format!("{}{digit}{}", &genuine[..sign_at], &genuine[sign_at + 1..])
            }
            // A genuine signature, of other news.
            2 => {
                let at = other.body.find(mark).unwrap() + mark.len();
                let sign = &other.body[at..at + 64];
                format!("{}{sign}{}", &genuine[..sign_at], &genuine[sign_at + 64..])
            }
            // Half a signature.
            _ => format!("{}{}", &genuine[..sign_at], &genuine[sign_at + 32..]),
        };
        assert_ne!(&body, genuine, "{account}");
        Post { body, status: 401, ..Post::genuine(account, notice) }
    }

    async fn post(&mut self, mut posts: Vec<Post>) {
        posts.shuffle(&mut self.random);
        let rig = &self.rig;
        stream::iter(posts)
            .for_each_concurrent(CALLERS, |post| async move {
                let path = format!("/notifications/{}", post.account);
                let headers = [("content-type", post.content_type.as_str())];
                let reply = rig.send(Method::POST, &path, &headers, Some(&post.body)).await;
                assert_eq!(reply.status, post.status, "{reply:?} to {}", post.body);
            })
            .await;
    }

    /// Every event there is, in order, by order.
    async fn events(&self) -> BTreeMap<String, Vec<Value>> {
        let mut events: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut cursor = String::new();
        loop {
            let page = self.rig.get(&format!("/events?limit=200{cursor}")).await.json;
            let items = page["items"].as_array().unwrap_or_else(|| panic!("{page}"));
            for event in items {
                if let Some(order) = event["order_id"].as_str() {
                    events.entry(order.to_owned()).or_default().push(event.clone());
                }
            }
            if items.is_empty() {
                return events;
            }
            cursor = format!("&cursor={}", page["next_cursor"].as_str().unwrap());
        }
    }

    /// Waits until this many pieces of news were applied, and gives all events.
    async fn applied(&self, wanted: usize) -> BTreeMap<String, Vec<Value>> {
        let begun = Instant::now();
        loop {
            let received = self.count("notification.received").await;
            assert!(received <= wanted, "{received} of {wanted} were applied: one of them twice");
            if received == wanted {
                return self.events().await;
            }
            assert!(begun.elapsed() < PATIENCE, "{received} of {wanted} were applied");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn count(&self, event_type: &str) -> usize {
        let store = rusqlite::Connection::open(self.rig.store_path()).unwrap();
        store.busy_timeout(Duration::from_secs(10)).unwrap();
        let sql = "SELECT count(*) FROM events WHERE event_type = ?1";
        usize::try_from(store.query_row(sql, [event_type], |row| row.get::<_, i64>(0)).unwrap()).unwrap()
    }

    fn check(&self, events: &BTreeMap<String, Vec<Value>>, is_over: bool) {
        for (id, fate) in &self.orders {
            let events = &events[id];
            let numbers: Vec<_> = events.iter().map(|event| event["sequence"].as_u64().unwrap()).collect();
            let gapless: Vec<_> = (1_u64..).take(events.len()).collect();
            assert_eq!(numbers, gapless, "{id}: a gap in the sequence");
            let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
            let expected = if is_over { fate.statuses() } else { &fate.statuses()[..1] };
            let told: Vec<_> = types.iter().filter(|one| one.starts_with("order.")).copied().collect();
            assert_eq!(told[1..], *expected, "{id}: {types:?}");
            let news = types.iter().filter(|one| **one == "notification.received").count();
            assert_eq!(news, expected.len(), "{id}: {types:?}");
        }
    }
}

/// Twelve orders are told of by twenty notifications.
async fn storm(dozens: usize) {
    let (orders, news) = (dozens * 12, dozens * 20);
    let begun = Instant::now();
    let mut storm = Storm::new(orders).await;
    let made = begun.elapsed();

    let first = storm.act(true);
    let (mut now, mut later) = (Vec::new(), Vec::new());
    for (account, notice) in &first {
        // At least one copy comes before the next news of the order; how many come late is chance.
        let late = storm.random.random_range(0..3);
        for copy in 0..3 {
            let to = if copy < late { &mut later } else { &mut now };
            to.push(Post::genuine(account, notice));
        }
    }
    let begun = Instant::now();
    storm.post(now).await;
    let events = storm.applied(first.len()).await;
    storm.check(&events, false);

    let second = storm.act(false);
    assert_eq!(first.len() + second.len(), news);
    for (account, notice) in &second {
        later.extend((0..3).map(|_| Post::genuine(account, notice)));
    }
    let all = [first, second].concat();
    for number in 0..news / 10 {
        let (account, notice) = &all[number * 10];
        let same = |one: &&(&str, SentNotice)| one.0 == *account && one.1.sequence != notice.sequence;
        let (_, other) = all[number..].iter().chain(&all).find(same).unwrap();
        let forged = storm.forged(account, notice, other);
        later.push(forged);
    }
    storm.post(later).await;
    let posted = begun.elapsed();
    let events = storm.applied(news).await;
    let applied = begun.elapsed();
    storm.check(&events, true);
    eprintln!(
        "{orders} orders made in {made:.1?}; {} notifications answered in {posted:.1?}, {news} applied after {applied:.1?}",
        news * 3 + news / 10
    );
    storm.rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_applied_once_and_no_forged_one() {
    storm(50).await;
}

/// A part of `make prove`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: a part of make prove"]
async fn ten_thousand_are_applied_once_and_no_forged_one() {
    storm(500).await;
}
