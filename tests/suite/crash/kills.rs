//! SIGKILL at every boundary, then a restart on the same store.

use std::os::unix::process::ExitStatusExt;

use futures_util::{StreamExt, stream};
use guichet_simulator::{Fault, FaultKind, Moment, RunningSimulators, SimulatorControl};

use super::{
    changes::{Ask, CHANGES, Change},
    facts::Facts,
    process::{Home, Program, read, start_provider},
};

/// Programs at once.
const AT_ONCE: usize = 6;

/// Who kills.
#[derive(Debug, Clone, Copy)]
enum Boundary {
    /// The program itself, at this point.
    Inside(&'static str),
    /// The program itself, at this point of the store's commit of the intent.
    Intent(&'static str),
    /// The same of the outcome.
    Outcome(&'static str),
    /// The test, while the provider has the request.
    AtProvider(Moment),
}

impl Boundary {
    /// Whether the outcome is on disk when the program dies there.
    fn is_after_the_outcome(self) -> bool {
        matches!(self, Self::Outcome("store_after_commit") | Self::Inside("outcome_committed"))
    }
}

/// Every boundary, with the operations and effects there are when the program dies there.
const BOUNDARIES: [(Boundary, usize, usize); 12] = [
    (Boundary::Inside("before_intent"), 0, 0),
    (Boundary::Intent("store_before_commit"), 0, 0),
    (Boundary::Intent("store_after_commit"), 1, 0),
    (Boundary::Inside("intent_committed"), 1, 0),
    (Boundary::Inside("before_send"), 1, 0),
    (Boundary::AtProvider(Moment::Before), 1, 0),
    (Boundary::AtProvider(Moment::After), 1, 1),
    (Boundary::Inside("answer_received"), 1, 1),
    (Boundary::Inside("before_outcome"), 1, 1),
    (Boundary::Outcome("store_before_commit"), 1, 1),
    (Boundary::Outcome("store_after_commit"), 1, 1),
    (Boundary::Inside("outcome_committed"), 1, 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_every_boundary_of_every_change_loses_nothing_and_doubles_nothing() {
    let provider = start_provider().await;
    let mut rounds = Vec::new();
    for boundary in BOUNDARIES {
        rounds.extend(CHANGES.map(|change| (boundary, change)));
    }
    let results: Vec<Result<(), String>> = stream::iter(rounds)
        .map(|((boundary, operations, effects), change)| {
            let provider = &provider;
            async move {
                let result = round(provider, boundary, operations, effects, change).await;
                result.map_err(|wrong| format!("{} killed at {boundary:?}: {wrong}", change.service))
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let wrong: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    println!("{} kills, {} failures", results.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// One kill, and everything that is asked after it.
async fn round(
    provider: &RunningSimulators,
    boundary: Boundary,
    operations: usize,
    effects: usize,
    change: &Change,
) -> Result<(), String> {
    let control = provider.control();
    let order = change.new_order(&control);
    let home = Home::new(provider, change);
    let key = format!("key-{order}");
    // The store's first commits are the recovery and the clock of erasure at the start, the third the copy of the order, if
    // there is one.
    let commits = if change.ask == Ask::Create { 2 } else { 3 };
    let point = match boundary {
        Boundary::Inside(point) => Some(point.to_owned()),
        Boundary::Intent(point) => Some(format!("{point}#{}", commits + 1)),
        Boundary::Outcome(point) => Some(format!("{point}#{}", commits + 2)),
        Boundary::AtProvider(_) => None,
    };
    let mut program = match boundary {
        Boundary::Inside(_) | Boundary::Intent(_) | Boundary::Outcome(_) => {
            let program = home.start(&format!("kill@{}", point.unwrap())).await;
            prepare(&home, &program, change, &order).await;
            // The connection breaks with the program.
            let _ = program.change(change, &order, &key).send().await;
            program
        }
        Boundary::AtProvider(when) => {
            let fault =
                Fault::new(change.place.provider, FaultKind::Hold { when }).on_service(change.service);
            let hold = control.add_fault(fault.on_order(order.as_str()));
            let mut program = home.start("").await;
            prepare(&home, &program, change, &order).await;
            let request = tokio::spawn(program.change(change, &order, &key).send());
            assert!(control.held(hold).await);
            program.kill();
            let _ = request.await;
            program
        }
    };
    let ended = program.ended().await;
    if ended.signal() != Some(9) {
        return Err(format!("it was not killed: {ended}"));
    }

    let program = home.start("").await;
    let after = Facts::settled(&home, &program, &control, change, &order).await;
    after.check()?;
    if (after.operations.len(), after.effects) != (operations, effects) {
        return Err(format!("expected {operations} operations and {effects} effects: {after:?}"));
    }
    let is_told = effects == 1 && (change.findable || boundary.is_after_the_outcome());
    let expected = if is_told { change.ends } else { "unknown" };
    if after.operations.iter().any(|(_, status)| status != expected) {
        return Err(format!("expected to be {expected}: {after:?}"));
    }

    let (status, answer) = read(program.change(change, &order, &key).send().await.unwrap()).await;
    let again = Facts::settled(&home, &program, &control, change, &order).await;
    again.check().map_err(|wrong| format!("after the same key again ({status} {answer}): {wrong}"))?;
    let first = after.operations.first();
    if first.is_some_and(|(id, _)| again.operations.len() != 1 || again.operations[0].0 != *id) {
        return Err(format!("the same key made another operation: {after:?}, then {again:?}"));
    }
    if first.is_some() && again.requests != after.requests {
        return Err(format!("the same key sent it again: {after:?}, then {again:?}"));
    }
    // Nothing had been written: the caller's repetition is the first try. What is known is told, else 202.
    let known = match first {
        None => true,
        Some((_, status)) => status == change.ends,
    };
    let effects = if first.is_none() { 1 } else { after.effects };
    if status != if known { change.done() } else { 202 } || again.effects != effects {
        return Err(format!("the same key was answered {status} {answer}: {again:?}"));
    }
    if change.ask == Ask::Create {
        return another(&program, &control, change, &order, known, effects).await;
    }
    Ok(())
}

async fn prepare(home: &Home, program: &Program, change: &Change, order: &str) {
    if change.ask != Ask::Create {
        home.settle_copy(program, change, order).await;
    }
}

/// A new key for the same link: of one that was made it is refused, of one that nobody was shown it is harmless.
async fn another(
    program: &Program,
    control: &SimulatorControl,
    change: &Change,
    reference: &str,
    known: bool,
    effects: usize,
) -> Result<(), String> {
    let request = program.change(change, reference, &format!("new-{reference}"));
    let (status, answer) = read(request.send().await.unwrap()).await;
    let made = change.orders(control, reference).len();
    if (status, made) == if known { (409, effects) } else { (201, effects + 1) } {
        Ok(())
    } else {
        Err(format!("a new key was answered {status} {answer}, and {made} orders are made"))
    }
}
