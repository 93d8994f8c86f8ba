//! Ends endpoints whose client comes no more. A client with a token is nowhere in the configuration: when its credentials are
//! withdrawn at the issuer nothing tells guichet, and its endpoints would be sent events for ever.
//!
//! Time is that of erasure, which is kept in the store and never moves faster than time passes: a clock that leaps ends nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::Outbox;
use crate::{
    domain::Timestamp,
    faults, metrics,
    store::{StoreError, outbox::Owners},
};

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// How long before its end the end of an endpoint is announced.
const NOTICE: Duration = Duration::from_secs(7 * 24 * 3_600);
/// How often clients are looked at.
const PERIOD: Duration = Duration::from_secs(3_600);
/// After a client was seen that is written down, other clients may come and be written down with it.
const GATHER: Duration = Duration::from_secs(1);

/// The owners of endpoints who would be news: those that were seen a day ago or longer.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// Whether each was seen meanwhile.
    awaited: Mutex<HashMap<String, bool>>,
    news: Notify,
}

impl Sightings {
    /// A client showed a valid credential. Costs a look into a small map; the store is written by [`run`].
    pub(super) fn saw(&self, client: &str) {
        let mut awaited = self.awaited.lock();
        if let Some(seen) = awaited.get_mut(client).filter(|seen| !**seen) {
            *seen = true;
            drop(awaited);
            self.news.notify_one();
        }
    }

    fn was_seen(&self, client: &str) -> bool {
        self.awaited.lock().get(client).is_some_and(|seen| *seen)
    }

    /// Waits for these from now on. A client that was seen stays seen.
    fn wait_for(&self, clients: Vec<String>) {
        let mut awaited = self.awaited.lock();
        let next = clients.into_iter().map(|client| {
            let seen = awaited.get(&client).copied().unwrap_or(false);
            (client, seen)
        });
        *awaited = next.collect();
    }
}

/// The step that is due for an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    /// It was seen, or counts as seen, and that is news.
    Seen,
    /// Nothing: it was seen within a day.
    Nothing,
    /// It has not been seen for a day, and is waited for.
    Wait,
    /// The same, and its endpoints lapse in so many days.
    Announce(u64),
    /// Its endpoints lapse now.
    Lapse(Timestamp),
}

/// `is_here`: the client is configured, or was seen just now.
fn due(is_here: bool, seen_at: Option<Timestamp>, now: Timestamp, limit: Duration) -> Due {
    // From before this was written down: the time runs from now on.
    let Some(seen_at) = seen_at else { return Due::Seen };
    let unseen = now.since(seen_at);
    if unseen < DAY {
        return Due::Nothing;
    }
    if is_here {
        return Due::Seen;
    }
    let left = limit.saturating_sub(unseen);
    if left.is_zero() {
        Due::Lapse(seen_at)
    } else if left <= NOTICE.min(limit / 2) {
        Due::Announce(left.as_secs().div_ceil(DAY.as_secs()))
    } else {
        Due::Wait
    }
}

/// Looks at the owners until the service stops.
pub(super) async fn run(outbox: Arc<Outbox>, mut stopping: watch::Receiver<bool>) {
    let work = async {
        let mut told = BTreeMap::new();
        loop {
            if let Err(error) = round(&outbox, &mut told).await {
                tracing::error!(%error, "owners of webhook endpoints could not be looked at");
            }
            tokio::select! {
                () = outbox.sightings.news.notified() => tokio::time::sleep(faults::hurried(GATHER)).await,
                () = tokio::time::sleep(faults::hurried(PERIOD)) => {}
            }
        }
    };
    // A write that is cut short here is finished by the writer all the same.
    tokio::select! {
        () = work => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// Looks at every owner once. `told`: how many days were left when the end of its endpoints was announced last.
async fn round(outbox: &Outbox, told: &mut BTreeMap<String, u64>) -> Result<(), StoreError> {
    let mut enabled = BTreeMap::<String, u64>::new();
    for endpoint in outbox.store.endpoints(None).await? {
        let count = enabled.entry(endpoint.client).or_default();
        *count = count.saturating_add(u64::from(endpoint.enabled));
    }
    let Owners { clock, seen } = outbox.store.owners().await?;
    let clients = outbox.clients();
    let (mut news, mut awaited, mut announced) = (Vec::new(), Vec::new(), BTreeMap::new());
    let mut lapsing = 0_u64;
    for (client, endpoints) in enabled {
        let is_here = clients.is_configured(&client) || outbox.sightings.was_seen(&client);
        let due = due(is_here, seen.get(&client).copied(), clock, outbox.lapse);
        match due {
            Due::Nothing => continue,
            Due::Seen => {
                news.push(client);
                continue;
            }
            Due::Announce(days) if endpoints > 0 => {
                lapsing = lapsing.saturating_add(endpoints);
                if told.get(&client) != Some(&days) {
                    tracing::warn!(
                        alert = "webhook_lapses",
                        client,
                        days_left = days,
                        "webhook endpoints will be disabled: no valid credential of their client was seen"
                    );
                }
                announced.insert(client.clone(), days);
            }
            Due::Lapse(seen_at) if endpoints > 0 => lapse(outbox, &client, seen_at).await?,
            Due::Wait | Due::Announce(_) | Due::Lapse(_) => {}
        }
        awaited.push(client);
    }
    metrics::endpoints_lapsing(lapsing);
    *told = announced;
    if !news.is_empty() {
        outbox.store.saw_owners(news).await?;
    }
    outbox.sightings.wait_for(awaited);
    Ok(())
}

async fn lapse(outbox: &Outbox, client: &str, seen_at: Timestamp) -> Result<(), StoreError> {
    for endpoint in outbox.store.lapse(client, seen_at, Timestamp::now()).await? {
        metrics::endpoint_lapsed();
        tracing::warn!(alert = "webhook_disabled", client, endpoint_id = %endpoint, reason = "lapsed", "an endpoint was disabled: no valid credential of its client was seen");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(30 * 24 * 3_600);

    fn day(day: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(DAY.saturating_mul(u32::try_from(day).unwrap()))
    }

    #[test]
    fn an_end_is_announced_a_week_before_and_comes_after_thirty_days() {
        for (days, is_here, expected) in [
            (0, false, Due::Nothing),
            (0, true, Due::Nothing),
            (1, false, Due::Wait),
            (1, true, Due::Seen),
            (22, false, Due::Wait),
            (23, false, Due::Announce(7)),
            (29, false, Due::Announce(1)),
            (29, true, Due::Seen),
            (30, false, Due::Lapse(day(5))),
            (3_000, false, Due::Lapse(day(5))),
            (3_000, true, Due::Seen),
        ] {
            assert_eq!(due(is_here, Some(day(5)), day(5 + days), LIMIT), expected, "{days} {is_here}");
        }
        assert_eq!(due(false, None, day(5), LIMIT), Due::Seen, "the time begins when it is first looked at");
        assert_eq!(due(false, Some(day(9)), day(5), LIMIT), Due::Nothing, "a clock that went back");
    }

    #[test]
    fn a_sighting_is_news_once() {
        let sightings = Sightings::default();
        sightings.saw("jwt:shop");
        assert!(!sightings.was_seen("jwt:shop"), "it is not waited for");
        sightings.wait_for(vec!["jwt:shop".to_owned(), "jwt:till".to_owned()]);
        sightings.saw("jwt:shop");
        sightings.wait_for(vec!["jwt:shop".to_owned()]);
        assert!(sightings.was_seen("jwt:shop"), "it could not be written yet");
        sightings.wait_for(Vec::new());
        assert!(!sightings.was_seen("jwt:shop"));
    }
}
