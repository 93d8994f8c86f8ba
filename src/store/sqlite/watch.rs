//! Which statements run on a store and what they cost, for tests. SQLite tells it itself, so no statement is missed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::LazyLock,
};

use parking_lot::Mutex;
use rusqlite::{
    Connection, StatementStatus,
    trace::{StmtRef, TraceEvent, TraceEventCodes},
};

/// What all runs of one statement cost together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// How often it ran.
    pub runs: u64,
    /// Steps of SQLite's virtual machine: some for each row looked at.
    pub steps: i64,
    /// Rows read one after the other where no index led to the ones wanted.
    pub scanned: i64,
    /// Sorts.
    pub sorts: i64,
}

/// Costs by the text of the statement.
pub type Costs = BTreeMap<String, Cost>;

static COSTS: LazyLock<Mutex<HashMap<String, Costs>>> = LazyLock::new(Mutex::default);

/// Steps, rows scanned and sorts of each statement when it ended last, by its text.
type Before = HashMap<String, [i64; 3]>;

thread_local! {
    /// The store that this thread serves, and what its statements had cost.
    static HERE: RefCell<Option<(String, Before)>> = const { RefCell::new(None) };
}

/// Begins to watch the store in this file. To be called before it is opened.
pub fn begin(path: &Path) {
    let mut all = COSTS.lock();
    all.entry(path.display().to_string()).or_default();
}

/// What ran since [`begin`], or since this was asked last.
pub fn take(path: &Path) -> Costs {
    let mut all = COSTS.lock();
    all.get_mut(&path.display().to_string()).map(std::mem::take).unwrap_or_default()
}

/// Says that this thread uses this connection from now on.
pub(super) fn here(connection: &Connection) {
    let path = connection.path().unwrap_or_default();
    if COSTS.lock().contains_key(path) {
        HERE.with_borrow_mut(|here| *here = Some((path.to_owned(), HashMap::new())));
        connection.trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(ended));
    }
}

fn ended(event: TraceEvent<'_>) {
    if let TraceEvent::Profile(statement, _) = event {
        HERE.with_borrow_mut(|here| {
            if let Some((path, before)) = here {
                count(path, before, &statement);
            }
        });
    }
}

fn count(path: &str, before: &mut Before, statement: &StmtRef<'_>) {
    let sql = statement.sql().into_owned();
    let now = [StatementStatus::VmStep, StatementStatus::FullscanStep, StatementStatus::Sort]
        .map(|what| i64::from(statement.get_status(what)));
    // SQLite counts from when the statement was prepared, which may be long ago.
    let last = before.insert(sql.clone(), now).filter(|last| last <= &now).unwrap_or_default();
    let [steps, scanned, sorts] =
        std::array::from_fn(|index| now.get(index).unwrap_or(&0) - last.get(index).unwrap_or(&0));
    let mut all = COSTS.lock();
    let Some(costs) = all.get_mut(path) else { return };
    let cost = costs.entry(sql).or_default();
    cost.runs = cost.runs.saturating_add(1);
    cost.steps = cost.steps.saturating_add(steps);
    cost.scanned = cost.scanned.saturating_add(scanned);
    cost.sorts = cost.sorts.saturating_add(sorts);
}
