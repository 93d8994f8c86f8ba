//! The canonical vocabulary: money, ids, statuses, orders, operations, events. No I/O and no provider names.

pub mod actions;
pub mod card;
pub mod event;
pub mod event_filter;
pub mod following;
pub mod ids;
pub mod memory;
pub mod money;
pub mod news;
pub mod operation;
pub mod order;
pub mod payer_address;
mod payer_data;
pub mod reading;
pub mod request;
pub mod status;
pub mod time;
pub mod trace;
pub mod web_address;

pub use actions::{Action, AvailableAction};
pub use event::{Event, EventType, NewEvent};
pub use event_filter::EventFilter;
pub use following::WaitsFor;
pub use ids::{AccountName, EndpointId, EventId, IdError, OperationId, OrderId, ProviderReference};
pub use memory::{Creation, Movement, Notified, OrderMemory};
pub use money::{Currency, Money, MoneyError};
pub use news::{Contradiction, Fate, OperationNews, Reversal};
pub use operation::{Operation, OperationKind, OperationStatus, Outcome};
pub use order::{Amounts, Checkout, CheckoutMethod, Delivery, DeliveryChannel, Mode, Order, ProviderStatus};
pub use payer_address::PayerAddress;
pub use reading::Reading;
pub use request::{
    CaptureMode, Customer, Field, Intent, NewDelivery, NewOrder, OrderPatch, Part, PlannedOrder,
};
pub use status::OrderStatus;
pub use time::Timestamp;
pub use trace::{Cause, NoTraceParent, TraceParent};
