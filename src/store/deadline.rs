//! Until when a caller of the store waits.
//!
//! The deadline belongs to the task and not to the calls: whatever a request asks of the store ends in time, and no call can
//! forget it. Work in the background has none. A task that is spawned begins without one.

use std::time::Duration;

use tokio::time::Instant;

tokio::task_local! {
    static DEADLINE: Instant;
}

/// Runs `work`, which waits for the store until `deadline` at the latest.
pub async fn within<F: Future>(deadline: Instant, work: F) -> F::Output {
    DEADLINE.scope(deadline, work).await
}

/// Runs `work`, which waits for the store for `time` at most, and no longer than this task would by itself.
pub async fn at_most<F: Future>(time: Duration, work: F) -> F::Output {
    let latest = Instant::now() + time;
    let deadline = current().map_or(latest, |deadline| deadline.min(latest));
    within(deadline, work).await
}

/// The deadline of this task; `None` where the store is waited for however long it takes.
pub(super) fn current() -> Option<Instant> {
    DEADLINE.try_with(|deadline| *deadline).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_earlier_deadline_counts_and_a_spawned_task_has_none() {
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(current(), None);
        within(after(5), async {
            assert_eq!(current(), Some(after(5)));
            at_most(Duration::from_secs(2), async { assert_eq!(current(), Some(after(2))) }).await;
            at_most(Duration::from_secs(9), async { assert_eq!(current(), Some(after(5))) }).await;
            assert_eq!(tokio::spawn(async { current() }).await.unwrap(), None);
        })
        .await;
    }
}
