//! Lists show what they should in their order, page by page, and nothing twice.

use guichet::{
    domain::{AccountName, Operation, OperationStatus, Order, OrderId, OrderStatus},
    store::{ListPage, OperationFilter, OrderFilter, Place, Sort, Store},
};

use super::rig::{Kind, at, cancel, copy, keep, settle, settlement, start};

const SORTS: [Sort; 2] = [Sort::OldestFirst, Sort::NewestFirst];
const ACCOUNTS: [&str; 3] = ["shop", "a-shop", "other"];
const STATUSES: [OrderStatus; 3] = [OrderStatus::Pending, OrderStatus::Paid, OrderStatus::Declined];
const ENDS: [OperationStatus; 3] =
    [OperationStatus::Succeeded, OperationStatus::Refused, OperationStatus::Unknown];

/// Orders of several accounts, statuses and references, many first heard of in the same millisecond, each with an
/// operation; and some that were only read. Gives the orders and operations that lists show.
async fn filled(store: &dyn Store) -> (Vec<Order>, Vec<Operation>) {
    let (mut orders, mut operations) = (Vec::new(), Vec::new());
    for n in 0..60_usize {
        let millis = i64::try_from((n * 37) % 20).unwrap();
        let mut order = copy(&format!("{n:02}"), STATUSES[n % 3], millis);
        order.id = format!("{}_{n:02}", ACCOUNTS[n % 7 % 3]).parse().unwrap();
        order.merchant_reference = (n % 5 > 0).then(|| format!("ref-{}", n % 5));
        if n % 11 == 0 {
            keep(store, vec![order]).await;
            continue;
        }
        let id = start(store, cancel(order.clone())).await;
        operations.push(settle(store, settlement(id, ENDS[n % 3], 30)).await);
        orders.push(order);
    }
    (orders, operations)
}

/// Walks a whole list in pages of 7. Only the last page has no next one.
async fn walk<T, F>(page: impl Fn(Option<Place>) -> F) -> Vec<(Place, T)>
where
    F: Future<Output = ListPage<T>>,
{
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let ListPage { items, next } = page(after).await;
        assert!(items.len() <= 7);
        assert!(next.is_none() || items.len() == 7, "everything here is within reach of one page");
        all.extend(items);
        after = next;
        if after.is_none() {
            return all;
        }
    }
}

/// What a list of `filter` must show: in the order of time and id, or against it.
fn expected<T: Clone>(all: &[(Place, T)], sort: Sort, fits: impl Fn(&T) -> bool) -> Vec<(Place, T)> {
    let mut wanted: Vec<(Place, T)> = all.iter().filter(|(_, item)| fits(item)).cloned().collect();
    wanted.sort_by(|(one, _), (other, _)| one.cmp(other));
    if sort == Sort::NewestFirst {
        wanted.reverse();
    }
    wanted
}

/// What a client may use, and what it asks for.
fn whose() -> Vec<(Option<Vec<String>>, Option<AccountName>)> {
    let named = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let shop = || Some("shop".parse().unwrap());
    vec![
        (None, None),
        (None, shop()),
        (named(&["shop"]), None),
        (named(&["other", "shop", "nobody", "shop"]), None),
        (named(&["other", "shop"]), shop()),
        (named(&["other"]), shop()),
        (named(&[]), None),
    ]
}

fn may_see(accounts: &Option<Vec<String>>, account: &Option<AccountName>, of: &str) -> bool {
    accounts.as_ref().is_none_or(|names| names.iter().any(|name| name == of))
        && account.as_ref().is_none_or(|name| name.as_str() == of)
}

pub(super) async fn orders_are_listed_in_order_whatever_the_filter(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let (orders, _) = filled(&*store).await;
    let all: Vec<(Place, Order)> =
        orders.into_iter().map(|order| ((order.as_of.as_millis(), order.id.to_string()), order)).collect();
    let wanted = [vec![], vec![OrderStatus::Paid], vec![OrderStatus::Paid, OrderStatus::Pending]];
    let mut shown = 0;
    for (accounts, account) in whose() {
        for statuses in &wanted {
            for merchant_reference in [None, Some("ref-1".to_owned())] {
                for sort in SORTS {
                    let filter = OrderFilter {
                        accounts: accounts.clone(),
                        account: account.clone(),
                        statuses: statuses.clone(),
                        merchant_reference: merchant_reference.clone(),
                    };
                    let found = walk(|after| {
                        let page = store.list_orders(filter.clone(), sort, after, 7);
                        async { page.await.unwrap() }
                    })
                    .await;
                    let fits = |order: &Order| {
                        may_see(&accounts, &account, order.id.account.as_str())
                            && (statuses.is_empty() || statuses.contains(&order.status))
                            && (merchant_reference.is_none()
                                || merchant_reference == order.merchant_reference)
                    };
                    assert_eq!(found, expected(&all, sort, fits), "{filter:?} {sort:?}");
                    shown += found.len();
                }
            }
        }
    }
    assert!(shown > 500, "{shown}");
}

pub(super) async fn operations_are_listed_in_order_whatever_the_filter(kind: &impl Kind) {
    let store = kind.open().unwrap();
    let (_, operations) = filled(&*store).await;
    let place = |operation: &Operation| (operation.created_at.as_millis(), operation.id.to_string());
    let all: Vec<(Place, Operation)> =
        operations.into_iter().map(|operation| (place(&operation), operation)).collect();
    let wanted = [vec![], vec![OperationStatus::Unknown], vec![ENDS[0], ENDS[1], ENDS[0]]];
    let order: OrderId = all[20].1.order_id.clone().unwrap();
    let mut shown = 0;
    for (accounts, account) in whose() {
        for statuses in &wanted {
            for order in [None, Some(order.clone())] {
                for sort in SORTS {
                    let filter = OperationFilter {
                        accounts: accounts.clone(),
                        account: account.clone(),
                        statuses: statuses.clone(),
                        order: order.clone(),
                    };
                    let found = walk(|after| {
                        let page = store.list_operations(filter.clone(), sort, after, 7);
                        async { page.await.unwrap() }
                    })
                    .await;
                    let fits = |operation: &Operation| {
                        may_see(&accounts, &account, operation.account.as_str())
                            && (statuses.is_empty() || statuses.contains(&operation.status))
                            && (order.is_none() || order == operation.order_id)
                    };
                    assert_eq!(found, expected(&all, sort, fits), "{filter:?} {sort:?}");
                    shown += found.len();
                }
            }
        }
    }
    assert!(shown > 500, "{shown}");
}

/// What comes while a client pages oldest first is on a later page; newest first it is not looked for.
pub(super) async fn pages_hold_while_orders_come(kind: &impl Kind) {
    let store = kind.open().unwrap();
    for n in 0..4 {
        start(&*store, cancel(copy(&format!("o{n}"), OrderStatus::Pending, n))).await;
    }
    let filter = OrderFilter::default;
    let oldest = store.list_orders(filter(), Sort::OldestFirst, None, 2).await.unwrap();
    let newest = store.list_orders(filter(), Sort::NewestFirst, None, 2).await.unwrap();
    start(&*store, cancel(copy("o4", OrderStatus::Pending, 4))).await;
    let rest = store.list_orders(filter(), Sort::OldestFirst, oldest.next, 9).await.unwrap();
    let times = |page: &ListPage<Order>| {
        page.items.iter().map(|((time, _), _)| time - at(0).as_millis()).collect::<Vec<_>>()
    };
    assert_eq!((times(&rest), rest.next), (vec![2, 3, 4], None));
    let rest = store.list_orders(filter(), Sort::NewestFirst, newest.next, 9).await.unwrap();
    assert_eq!((times(&rest), rest.next), (vec![1, 0], None));
}
