//! Erases what is old: at the start, once a day, and what somebody asked to have erased within a minute.
//!
//! It works through the store in small steps with long pauses, so that changes, which share its one writer, wait for
//! one step at most.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle, time::Instant};

use crate::{
    domain::Timestamp,
    faults,
    store::{
        Store, StoreError,
        retention::{Erased, Limits, Stage, Sweep},
    },
};

/// Time between two rounds.
const PERIOD: Duration = Duration::from_secs(24 * 3_600);
/// How often requests to erase one order, and removed endpoints, are looked for.
const REQUESTS: Duration = Duration::from_secs(60);
/// Of the time of the writer a round takes one part in this many.
const SHARE: u32 = 10;
/// Shortest pause between two steps.
const PAUSE: Duration = Duration::from_millis(10);
/// Pause after a failed step, which is then tried again.
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// Attempts to empty the log; a reader may hold it up for a moment.
const SCRUBS: u32 = 100;

/// The job, until it is stopped.
#[derive(Debug)]
pub struct Retention {
    stopping: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Retention {
    /// Starts the job: what brought no news for `days` days is erased.
    pub fn start(store: Arc<dyn Store>, days: u64, clock: Clock) -> Self {
        let (stopping, receiver) = watch::channel(false);
        let keep_for = Duration::from_secs(days.saturating_mul(24 * 3_600));
        Self { stopping, task: tokio::spawn(run(store, keep_for, clock, receiver)) }
    }

    /// Ends the job after the step it is at.
    pub async fn stop(self) {
        let _ = self.stopping.send(true);
        let _ = self.task.await;
    }
}

/// The time by which erasure goes, and when it was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    at: Timestamp,
    asked: Instant,
}

impl Clock {
    /// Asks the store at a start. Says so when the time of day is far ahead of what the store knows.
    ///
    /// # Errors
    /// The store cannot write.
    pub async fn at_start(store: &Arc<dyn Store>) -> Result<Self, StoreError> {
        let asked = Instant::now();
        let clock = store.erasure_clock(Timestamp::now(), None).await?;
        if clock.ahead.is_some() {
            tracing::error!(
                alert = "clock",
                "the clock is days ahead of the store: erasure goes on by the time that really passes"
            );
        }
        Ok(Self { at: clock.at, asked })
    }

    /// Asks it again while the service runs.
    async fn go_on(&mut self, store: &Arc<dyn Store>) -> Result<(), StoreError> {
        let asked = Instant::now();
        let passed = asked.saturating_duration_since(self.asked);
        self.at = store.erasure_clock(Timestamp::now(), Some(passed)).await?.at;
        self.asked = asked;
        Ok(())
    }
}

async fn run(
    store: Arc<dyn Store>,
    keep_for: Duration,
    mut clock: Clock,
    mut stopping: watch::Receiver<bool>,
) {
    let work = async {
        let mut next_round = Instant::now();
        loop {
            let is_due = Instant::now() >= next_round;
            if is_due {
                next_round = Instant::now() + PERIOD;
            }
            round(&store, keep_for, clock.at, is_due).await;
            tokio::time::sleep(faults::hurried(REQUESTS)).await;
            if let Err(error) = clock.go_on(&store).await {
                tracing::error!(%error, alert = "erasure", "the time of erasure could not be kept");
            }
        }
    };
    // A step that is cut short here is finished by the writer all the same.
    tokio::select! {
        () = work => {}
        _ = stopping.wait_for(|stop| *stop) => {}
    }
}

/// One round over everything that is old at `clock`, or over what was asked for alone. A request is of the time of day.
async fn round(store: &Arc<dyn Store>, keep_for: Duration, clock: Timestamp, everything: bool) {
    let of_day = Timestamp::now();
    let limits_of = |stage| {
        let now = if stage == Stage::Requests { of_day } else { clock };
        Limits { before: clock.minus(keep_for), now }
    };
    let mut erased = Erased::default();
    let mut next = Some(Sweep::default());
    while let Some(from) = next.filter(|from| everything || from.stage.is_asked_for()) {
        let started = Instant::now();
        match store.sweep(limits_of(from.stage), from.clone()).await {
            Ok(swept) => {
                erased = erased.and(swept.erased);
                next = swept.next;
                tokio::time::sleep(started.elapsed().saturating_mul(SHARE).max(PAUSE)).await;
            }
            Err(error) => {
                tracing::error!(%error, alert = "erasure", "what is old could not be erased, trying again");
                next = Some(from);
                tokio::time::sleep(AFTER_FAILURE).await;
            }
        }
    }
    if erased.unreadable > 0 {
        tracing::error!(rows = erased.unreadable, alert = "erasure", "what cannot be read was not erased");
    }
    if !erased.anything() {
        return;
    }
    match scrub(store).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("old pages stay in the store's log until it is written over"),
        Err(error) => tracing::error!(%error, alert = "erasure", "the store's log could not be emptied"),
    }
    tracing::info!(
        orders = erased.orders,
        operations = erased.operations,
        notifications = erased.notifications,
        keys = erased.keys,
        deliveries = erased.deliveries,
        secrets = erased.secrets,
        "what was old was erased"
    );
}

async fn scrub(store: &Arc<dyn Store>) -> Result<bool, StoreError> {
    for _ in 0..SCRUBS {
        if store.scrub().await? {
            return Ok(true);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(false)
}
