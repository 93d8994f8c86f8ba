//! What the provider did and what the program says about it, side by side.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use guichet::simulator::SimulatorControl;

use super::process::{BRAND, Change, Program};

/// Time for an effect to be found by reading: the first read is due at once, the next after a second.
const FOUND_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);

/// One order and the change asked of it.
#[derive(Debug)]
pub(super) struct Facts {
    /// How often the change reached the provider.
    pub(super) requests: usize,
    /// How often it was really done.
    pub(super) effects: usize,
    /// The operations the program knows, with their status.
    pub(super) operations: Vec<(String, String)>,
    /// Numbers of the order's events.
    sequences: Vec<i64>,
}

impl Facts {
    /// Takes them once, as they are.
    pub(super) async fn take(
        program: &Program,
        control: &SimulatorControl,
        change: Change,
        order: &str,
    ) -> Self {
        let (status, events) = program.get(&format!("/orders/{BRAND}_{order}/events")).await;
        assert_eq!(status, 200, "{events}");
        let events = events["items"].as_array().unwrap();
        let ids: BTreeSet<String> =
            events.iter().filter_map(|event| event["operation_id"].as_str().map(str::to_owned)).collect();
        let mut operations = Vec::new();
        for id in ids {
            let (status, operation) = program.get(&format!("/operations/{id}")).await;
            assert_eq!(status, 200, "{operation}");
            operations.push((id, operation["status"].as_str().unwrap().to_owned()));
        }
        let of_this = |named: Option<&str>| named == Some(order);
        Self {
            requests: control
                .request_log()
                .iter()
                .filter(|request| of_this(request.order.as_deref()) && request.service == change.service())
                .count(),
            effects: control.effects().iter().filter(|effect| effect.order == order).count(),
            operations,
            sequences: events.iter().map(|event| event["sequence"].as_i64().unwrap()).collect(),
        }
    }

    /// The same, once an effect there is was found.
    pub(super) async fn settled(
        program: &Program,
        control: &SimulatorControl,
        change: Change,
        order: &str,
    ) -> Self {
        let until = Instant::now() + FOUND_WITHIN;
        loop {
            let facts = Self::take(program, control, change, order).await;
            let open = |status: &str| !matches!(status, "succeeded" | "refused" | "not_executed");
            let waits = facts.effects > 0 && facts.operations.iter().any(|(_, status)| open(status));
            if !waits || Instant::now() > until {
                return facts;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Nothing lost, nothing doubled, nothing claimed without evidence.
    pub(super) fn check(&self) -> Result<(), String> {
        let wrong = |what: &str| Err(format!("{what}: {self:?}"));
        let statuses: Vec<&str> = self.operations.iter().map(|(_, status)| status.as_str()).collect();
        if self.requests > 1 {
            return wrong("the change was sent more than once");
        }
        if self.effects > 1 {
            return wrong("the change was done more than once");
        }
        if !self.sequences.iter().copied().eq((1..).take(self.sequences.len())) {
            return wrong("the events have a gap");
        }
        match (self.effects, statuses.as_slice()) {
            (0, [] | ["unknown"]) | (1, ["succeeded"]) => Ok(()),
            (0, ["not_executed" | "refused"]) if self.requests == 0 => Ok(()),
            (0, ["succeeded"]) => wrong("success is claimed without an effect"),
            (0, _) => wrong("without an answer and an effect the change is unknown"),
            (_, []) => wrong("there is an effect and no trace of the intent"),
            (_, _) => wrong("there is an effect and it is not told"),
        }
    }
}
