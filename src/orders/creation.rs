//! Making an order.

use std::sync::Arc;

use super::{
    agreement::{Agreement, detached},
    attempt::{Attempt, attempt, new_operation},
    caller::Caller,
    changes::Changes,
    decide::{refused, unsupported},
    failure::not_found,
    keys::{idempotency_key, not_begun, replay},
    request::{Changed, NewCreation},
};
use crate::{
    adapter::{Account, BreakerState, Violation},
    config::RouteRule,
    domain::{AccountName, Intent, NewOrder, OperationId, OperationKind, OperationStatus},
    problem::{Problem, ProblemCode},
    store::NewOperation,
};

impl Changes {
    /// Makes an order. Detached from the caller as [`Changes::change`] is.
    ///
    /// # Errors
    /// Everything that keeps it from being begun; what the provider refused is in the operation.
    pub async fn create(self: &Arc<Self>, caller: &Caller, new: NewCreation) -> Result<Changed, Problem> {
        let deadline = new.deadline;
        let (changes, caller) = (Arc::clone(self), caller.clone());
        detached(&self.core, deadline, None, |agreement| async move {
            changes.make(&caller, new, &agreement).await
        })
        .await
    }

    async fn make(
        &self,
        caller: &Caller,
        new: NewCreation,
        agreement: &Agreement,
    ) -> Result<Changed, Problem> {
        let key = Some(&new.key);
        // Before anything else: a replay must not depend on accounts and routes of today.
        let view = self.look_in_time(new.deadline, None, Some((&caller.client, &new.key.0))).await?;
        if let Some(record) = &view.key
            && let Some(answer) = replay(record, key)
        {
            return answer;
        }
        if view.key_is_spent {
            return Err(Problem::plain(ProblemCode::IdempotencyKeyExpired));
        }
        let account = new.account?;
        check(&account, &new.order)?;
        let (id, now) = (OperationId::generate(), self.core.clock.time_of_day());
        let planned = account.adapter.plan_create(new.order, id, now).map_err(refused)?;
        let claims_reference = Some(planned.order.merchant_reference.clone());
        let intent = Intent::Create { planned: Box::new(planned) };
        let operation = new_operation(&account, caller, id, intent, OperationStatus::Sending, now);
        let new_operation = NewOperation {
            key: idempotency_key(caller, key),
            change_count: 0,
            asked: 0,
            now: self.core.clock.now(),
            claims_reference,
            limit: None,
            operation,
        };
        match attempt(&self.core, &account, new_operation, agreement, new.deadline).await? {
            Attempt::Ended(operation) => Ok(Changed::kept(*operation)),
            Attempt::NotBegun(refusal) => not_begun(refusal, key, None),
        }
    }

    /// The account a caller names, or the one of the first route that fits.
    ///
    /// # Errors
    /// There is none.
    pub fn route(
        &self,
        caller: &Caller,
        named: Option<&AccountName>,
        order: &NewOrder,
    ) -> Result<Account, Problem> {
        let registry = self.core.registry();
        let usable = |name: &AccountName| {
            registry.account(name).filter(|account| caller.accounts.contains(account.name.as_str())).cloned()
        };
        if let Some(name) = named {
            return usable(name).ok_or_else(not_found);
        }
        let routes = self.core.routes();
        let fits = routes.iter().filter(|route| fits(route, order)).filter_map(|route| {
            let account = usable(&route.account.parse().ok()?)?;
            let brand = account.adapter.brand().unwrap_or_default();
            (route.brands.is_empty() || route.brands.iter().any(|wanted| wanted == brand)).then_some(account)
        });
        let fits: Vec<Account> =
            fits.filter(|account| account.adapter.capabilities().create.supported).collect();
        // Nothing has been sent yet, so an account that cannot be reached now is passed over; where there is no other,
        // the first one refuses.
        let open = fits.iter().find(|account| account.adapter.link().breaker == BreakerState::Closed);
        open.or(fits.first()).cloned().ok_or_else(|| {
            Problem::invalid(vec![Violation::invalid(
                "/account",
                "is required: no route of the configuration fits this order",
            )])
        })
    }
}

/// Whether a route takes this order; its brands are those of the account.
fn fits(route: &RouteRule, order: &NewOrder) -> bool {
    let value = u64::try_from(order.amount.value()).unwrap_or_default();
    let currency = order.amount.currency();
    let named = |list: &[String], word: &str| list.is_empty() || list.iter().any(|entry| entry == word);
    named(&route.currencies, currency.code())
        && route.min_value.is_none_or(|min| value >= min)
        && route.max_value.is_none_or(|max| value <= max)
        && (route.payment_methods.is_empty()
            || order.payment_method.as_ref().is_some_and(|method| route.payment_methods.contains(method)))
}

/// What the account's capabilities say, before its adapter is asked.
fn check(account: &Account, order: &NewOrder) -> Result<(), Problem> {
    let capabilities = account.adapter.capabilities();
    if !capabilities.create.supported {
        return Err(unsupported(OperationKind::Create));
    }
    let currency = order.amount.currency();
    if !capabilities.currencies.contains(&currency.code()) {
        let problem = Problem::invalid(vec![Violation {
            pointer: "/amount/currency".to_owned(),
            code: "currency_not_supported",
            detail: format!("must be one of {}", capabilities.currencies.join(", ")),
        }]);
        return Err(Problem { code: ProblemCode::CurrencyNotSupported, ..problem });
    }
    let mut violations = Vec::new();
    if !capabilities.delivery_channels.contains(&order.delivery.channel) {
        let known = capabilities.delivery_channels.iter().map(|channel| channel.as_str());
        let known = known.collect::<Vec<_>>().join(", ");
        violations.push(Violation::unsupported("/delivery/channel", &format!("must be one of {known}")));
    }
    if let Some(method) = &order.payment_method
        && !capabilities.payment_methods.contains(&method.as_str())
    {
        let known = capabilities.payment_methods.join(", ");
        violations.push(Violation::unsupported("/payment_method", &format!("must be one of {known}")));
    }
    if violations.is_empty() { Ok(()) } else { Err(refused(violations)) }
}
