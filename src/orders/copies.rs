//! Copies of orders, written behind the reads in batches. They may be lost in a crash: the provider still has
//! the order.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::task::TaskTracker;

use super::core::stopped;
use crate::{
    domain::{Amounts, Cause, OrderId, OrderStatus, Reading, Timestamp, WaitsFor},
    store::Store,
};

/// Copies waiting at most; more are dropped, the provider still has them.
const QUEUE: usize = 4_096;
/// Copies written in one commit.
const BATCH: usize = 256;
/// An unchanged order is written again after this long, so that its copy does not look older than it is.
const REFRESH: Duration = Duration::from_secs(5);
/// Orders remembered as written.
const REMEMBERED: usize = 50_000;

/// What a copy said when it was written last.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    status: OrderStatus,
    is_final: bool,
    waits_for: WaitsFor,
    updated_at: Option<Timestamp>,
    amount: i64,
    amounts: Amounts,
}

#[derive(Debug)]
pub(super) struct WriteBehind {
    queue: mpsc::Sender<Reading>,
    written: Mutex<HashMap<OrderId, (Written, Instant)>>,
}

impl WriteBehind {
    pub(super) fn start(
        store: Arc<dyn Store>,
        tasks: &TaskTracker,
        mut stopping: watch::Receiver<bool>,
    ) -> Self {
        let (queue, mut waiting) = mpsc::channel::<Reading>(QUEUE);
        tasks.spawn(async move {
            let mut batch = Vec::with_capacity(BATCH);
            loop {
                tokio::select! {
                    count = waiting.recv_many(&mut batch, BATCH) => if count == 0 { return },
                    () = stopped(&mut stopping) => {
                        while let Ok(reading) = waiting.try_recv() {
                            batch.push(reading);
                        }
                        save(&store, &mut batch).await;
                        return;
                    }
                }
                save(&store, &mut batch).await;
            }
        });
        Self { queue, written: Mutex::default() }
    }

    /// Keeps a copy of an order as read, when it changed or its copy is getting old.
    pub(super) fn keep(&self, reading: &Reading) {
        let order = &reading.order;
        let mut written = self.written.lock();
        let now = Written {
            status: order.status,
            is_final: order.is_final,
            waits_for: order.waits_for,
            updated_at: order.updated_at,
            amount: order.amount,
            amounts: order.amounts,
        };
        if let Some((before, at)) = written.get(&order.id)
            && *before == now
            && order.news.is_empty()
            && at.elapsed() < REFRESH
        {
            return;
        }
        if written.len() >= REMEMBERED {
            written.clear();
        }
        if self.queue.try_send(reading.clone()).is_ok() {
            written.insert(order.id.clone(), (now, Instant::now()));
        }
    }
}

async fn save(store: &Arc<dyn Store>, batch: &mut Vec<Reading>) {
    if batch.is_empty() {
        return;
    }
    if let Err(error) = store.save_copies(std::mem::take(batch), Cause::default()).await {
        tracing::warn!(%error, "copies of orders were not kept");
    }
}
