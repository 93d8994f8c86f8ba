//! SIGKILL at every boundary, then a restart on the same store.

use std::os::unix::process::ExitStatusExt;

use futures_util::{StreamExt, stream};
use guichet::simulator::{Fault, FaultKind, Moment, RunningSimulators};

use super::{
    facts::Facts,
    process::{Change, Home, new_order, read, start_provider},
};

/// Kills per boundary and kind of change.
const ROUNDS: usize = 3;
/// Programs at once.
const AT_ONCE: usize = 6;

/// Who kills.
#[derive(Debug, Clone, Copy)]
enum Boundary {
    /// The program itself, at this point.
    Inside(&'static str),
    /// The test, while the provider has the request.
    AtProvider(Moment),
}

/// Every boundary, with the operations and effects there are when the program dies there. The store's first commit
/// is the recovery at the start, the second the copy of the order; then come the intent and the outcome.
const BOUNDARIES: [(Boundary, usize, usize); 12] = [
    (Boundary::Inside("before_intent"), 0, 0),
    (Boundary::Inside("store_before_commit#3"), 0, 0),
    (Boundary::Inside("store_after_commit#3"), 1, 0),
    (Boundary::Inside("intent_committed"), 1, 0),
    (Boundary::Inside("before_send"), 1, 0),
    (Boundary::AtProvider(Moment::Before), 1, 0),
    (Boundary::AtProvider(Moment::After), 1, 1),
    (Boundary::Inside("answer_received"), 1, 1),
    (Boundary::Inside("before_outcome"), 1, 1),
    (Boundary::Inside("store_before_commit#4"), 1, 1),
    (Boundary::Inside("store_after_commit#4"), 1, 1),
    (Boundary::Inside("outcome_committed"), 1, 1),
];

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_nothing_and_double_nothing() {
    let provider = start_provider().await;
    let mut rounds = Vec::new();
    for boundary in BOUNDARIES {
        for change in [Change::Cancel, Change::Update] {
            rounds.extend((0..ROUNDS).map(|_| (boundary, change)));
        }
    }
    let results: Vec<Result<(), String>> = stream::iter(rounds)
        .map(|((boundary, operations, effects), change)| {
            let provider = &provider;
            async move {
                round(provider, boundary, operations, effects, change)
                    .await
                    .map_err(|wrong| format!("{change:?}, killed at {boundary:?}: {wrong}"))
            }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let wrong: Vec<&String> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    println!("{} kills, {} failures", results.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(results.len() >= 50);
}

/// One kill, and everything that is asked after it.
async fn round(
    provider: &RunningSimulators,
    boundary: Boundary,
    operations: usize,
    effects: usize,
    change: Change,
) -> Result<(), String> {
    let control = provider.control();
    let order = new_order(&control);
    let home = Home::new(provider);
    let key = format!("key-{order}");
    let mut program = match boundary {
        Boundary::Inside(point) => {
            let program = home.start(&format!("kill@{point}")).await;
            home.settle_copy(&program, &order).await;
            // The connection breaks with the program.
            let _ = program.change(change, &order, &key).send().await;
            program
        }
        Boundary::AtProvider(when) => {
            let fault = Fault::new("lyra", FaultKind::Hold { when }).on_service(change.service());
            let hold = control.add_fault(fault.on_order(order.as_str()));
            let mut program = home.start("").await;
            home.settle_copy(&program, &order).await;
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
    let after = Facts::settled(&program, &control, change, &order).await;
    after.check()?;
    if (after.operations.len(), after.effects) != (operations, effects) {
        return Err(format!("expected {operations} operations and {effects} effects: {after:?}"));
    }

    let (status, answer) = read(program.change(change, &order, &key).send().await.unwrap()).await;
    let again = Facts::settled(&program, &control, change, &order).await;
    again.check().map_err(|wrong| format!("after the same key again ({status} {answer}): {wrong}"))?;
    let first = after.operations.first();
    if first.is_some_and(|(id, _)| again.operations.len() != 1 || again.operations[0].0 != *id) {
        return Err(format!("the same key made another operation: {after:?}, then {again:?}"));
    }
    if first.is_some() && again.requests != after.requests {
        return Err(format!("the same key sent it again: {after:?}, then {again:?}"));
    }
    // Nothing had been written: the caller's repetition is the first try. What is known is told, else 202.
    let known = first.is_none() || after.effects == 1;
    if status != if known { 200 } else { 202 } || again.effects != usize::from(known) {
        return Err(format!("the same key was answered {status} {answer}: {again:?}"));
    }
    Ok(())
}
