//! What the provider did and what the program says about it, side by side.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use guichet_simulator::SimulatorControl;

use super::{
    changes::{Ask, Change},
    process::{Home, Program},
};

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
    /// Whether reading can find the effect.
    findable: bool,
    /// The status of an operation whose answer was heard.
    ends: &'static str,
}

impl Facts {
    /// Takes them once, as they are.
    pub(super) async fn take(
        home: &Home,
        program: &Program,
        control: &SimulatorControl,
        change: &Change,
        order: &str,
    ) -> Self {
        let (ids, sequences) = if change.ask == Ask::Create {
            of_creations(home)
        } else {
            let (status, events) = program.get(&format!("/orders/{}/events", change.id(order))).await;
            assert_eq!(status, 200, "{events}");
            let events = events["items"].as_array().unwrap();
            let ids = events.iter().filter_map(|event| event["operation_id"].as_str().map(str::to_owned));
            (ids.collect(), events.iter().map(|event| event["sequence"].as_i64().unwrap()).collect())
        };
        let mut operations = Vec::new();
        for id in ids {
            let (status, operation) = program.get(&format!("/operations/{id}")).await;
            assert_eq!(status, 200, "{operation}");
            operations.push((id, operation["status"].as_str().unwrap().to_owned()));
        }
        let made = change.orders(control, order);
        let of_this =
            |named: Option<&String>| named.is_some_and(|named| named == order || made.contains(named));
        Self {
            requests: control
                .request_log()
                .iter()
                .filter(|request| of_this(request.order.as_ref()) || of_this(request.reference.as_ref()))
                .filter(|request| request.service == change.service)
                .count(),
            effects: control
                .effects()
                .iter()
                .filter(|effect| effect.action == change.effect && of_this(Some(&effect.order)))
                .count(),
            operations,
            sequences,
            findable: change.findable,
            ends: change.ends,
        }
    }

    /// The same, once an effect there is was found.
    pub(super) async fn settled(
        home: &Home,
        program: &Program,
        control: &SimulatorControl,
        change: &Change,
        order: &str,
    ) -> Self {
        let until = Instant::now() + FOUND_WITHIN;
        loop {
            let facts = Self::take(home, program, control, change, order).await;
            let open = |status: &str| !matches!(status, "succeeded" | "refused" | "not_executed");
            let waits = facts.effects > 0 && facts.operations.iter().any(|(_, status)| open(status));
            if !waits || !facts.findable || Instant::now() > until {
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
            (0, [] | ["unknown"]) => Ok(()),
            (1, [status]) if *status == self.ends => Ok(()),
            // Nobody can find it, and nothing says that it was not made.
            (1, ["unknown"]) if !self.findable => Ok(()),
            (0, ["not_executed" | "refused"]) if self.requests == 0 => Ok(()),
            (0, ["succeeded"]) => wrong("success is claimed without an effect"),
            (0, _) => wrong("without an answer and an effect the change is unknown"),
            (_, []) => wrong("there is an effect and no trace of the intent"),
            (_, _) => wrong("there is an effect and it is not told"),
        }
    }
}

/// The operations of a store that knows of creations only, and the numbers of their events.
fn of_creations(home: &Home) -> (BTreeSet<String>, Vec<i64>) {
    let store = home.store();
    let mut ids = store.prepare("SELECT id FROM operations").unwrap();
    let ids = ids.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    let mut events = store.prepare("SELECT sequence FROM events ORDER BY position").unwrap();
    let events = events.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    (ids, events)
}
