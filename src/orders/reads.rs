//! What is asked for without changing anything: an order at its provider, and what the store has.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    caller::Caller,
    copies::WriteBehind,
    core::Core,
    failure::{not_found, read_problem, store_problem},
    follow,
    request::Located,
};
use crate::{
    adapter::ErrorKind,
    domain::{Event, Operation, OperationId, Order, Timestamp},
    problem::Problem,
    store::{ListPage, OperationFilter, OrderFilter, Place, Sort},
};

/// How fresh a read must be.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReadOptions {
    /// Accept a copy that was read at most this long ago.
    pub max_age: Option<Duration>,
    /// Accept an old copy when the provider cannot be asked.
    pub allow_stale: bool,
}

/// An order as shown, and whether it is an old copy because the provider could not be asked.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The order.
    pub order: Order,
    /// Whether it is an old copy.
    pub stale: bool,
}

/// Reads of orders and of what became of changes.
#[derive(Debug)]
pub struct Reads {
    core: Arc<Core>,
    copies: Arc<WriteBehind>,
}

impl Reads {
    pub(super) fn new(core: Arc<Core>, copies: Arc<WriteBehind>) -> Self {
        Self { core, copies }
    }

    /// The order as the provider sees it now.
    ///
    /// # Errors
    /// Unknown order, or the provider cannot be asked.
    pub async fn read(
        &self,
        order: &Located,
        options: ReadOptions,
        deadline: Instant,
    ) -> Result<Shown, Problem> {
        let Located { account, id } = order;
        if let Some(max_age) = options.max_age
            && let Some(order) = self.core.store.order_copy(id).await.map_err(store_problem)?
            && is_fresh(&order, max_age, self.core.clock.time_of_day())
        {
            return Ok(Shown { order, stale: false });
        }
        match self.core.read_shared(account, id, deadline).await {
            Ok(reading) => {
                self.copies.keep(&reading);
                Ok(Shown { order: Arc::unwrap_or_clone(reading).order, stale: false })
            }
            Err(error) => {
                let away = matches!(
                    error.kind,
                    ErrorKind::NotExecuted
                        | ErrorKind::Timeout
                        | ErrorKind::Protocol
                        | ErrorKind::Incident
                        | ErrorKind::Temporary
                );
                if away
                    && options.allow_stale
                    && let Some(order) = self.core.store.order_copy(id).await.map_err(store_problem)?
                {
                    return Ok(Shown { order, stale: true });
                }
                Err(read_problem(&error).about(id))
            }
        }
    }

    /// What became of an operation.
    ///
    /// # Errors
    /// No such operation, or none this caller may see.
    pub async fn operation(&self, caller: &Caller, id: OperationId) -> Result<Operation, Problem> {
        let operation = self.core.store.operation(id).await.map_err(store_problem)?;
        operation
            .filter(|operation| caller.accounts.contains(operation.account.as_str()))
            .ok_or_else(not_found)
    }

    /// A page of the orders known here.
    ///
    /// # Errors
    /// The store is away.
    pub async fn list_orders(
        &self,
        caller: &Caller,
        filter: OrderFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Order>, Problem> {
        let filter = OrderFilter { accounts: caller.accounts.names(), ..filter };
        self.core.store.list_orders(filter, sort, after, limit).await.map_err(store_problem)
    }

    /// A page of the operations.
    ///
    /// # Errors
    /// The store is away.
    pub async fn list_operations(
        &self,
        caller: &Caller,
        filter: OperationFilter,
        sort: Sort,
        after: Option<Place>,
        limit: u32,
    ) -> Result<ListPage<Operation>, Problem> {
        let filter = OperationFilter { accounts: caller.accounts.names(), ..filter };
        self.core.store.list_operations(filter, sort, after, limit).await.map_err(store_problem)
    }

    /// The creation behind a payer's page.
    ///
    /// # Errors
    /// No such page.
    pub async fn page(&self, token: &str) -> Result<Operation, Problem> {
        self.core.store.operation_of_page(token).await.map_err(store_problem)?.ok_or_else(not_found)
    }

    /// Whether the order that a page was made for is paid or being paid, by its newest copy.
    ///
    /// # Errors
    /// The store is away.
    pub async fn is_being_paid(&self, creation: &Operation) -> Result<bool, Problem> {
        let Some(order) = &creation.order_id else { return Ok(false) };
        let copy = self.core.store.order_copy(order).await.map_err(store_problem)?;
        Ok(copy.is_some_and(|copy| copy.status.moves_money()))
    }

    /// The timeline of an order, from the event after number `after`.
    ///
    /// # Errors
    /// The store is away.
    pub async fn events(&self, order: &Located, after: i64, limit: u32) -> Result<Vec<Event>, Problem> {
        self.core.store.order_events(&order.id, after, limit).await.map_err(store_problem)
    }

    /// How long the read of a followed order that is longest overdue has been due, by provider.
    pub async fn overdue(&self) -> Vec<(&'static str, Duration)> {
        follow::overdue(&self.core).await
    }
}

/// Whether a copy was read at most `max_age` ago. One from the future was read while the clock was wrong.
fn is_fresh(copy: &Order, max_age: Duration, now: Timestamp) -> bool {
    copy.as_of <= now && now.since(copy.as_of) <= max_age
}
