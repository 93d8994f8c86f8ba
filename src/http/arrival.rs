//! The arrival of request bodies. While its body arrives a request has no place (`places.rs`), so time and bytes are
//! bounded here.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{FromRequest, Request},
};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Api,
    seats::{Kind, Seat},
};
use crate::{
    metrics::{self, Shed},
    problem::{Problem, ProblemCode},
};

/// Longest time a body may take to arrive.
const TIME: Duration = Duration::from_secs(10);
/// Longest time for a body that is not wanted.
const UNWANTED_TIME: Duration = Duration::from_secs(1);
/// Bytes of each body that are always taken. Nearly every body is smaller, so a flood of large ones does not keep it out.
/// With as many bodies as there may be connections, this is 80 MiB.
const ALWAYS: usize = 16 * 1024;
/// Bytes above [`ALWAYS`] that all bodies of clients may hold together while they arrive.
const OF_CLIENTS: usize = 64 * 1024 * 1024;
/// The same of notifications and of payers' browsers.
const OF_THE_PUBLIC: usize = 32 * 1024 * 1024;

/// The bytes that arriving bodies hold.
#[derive(Debug)]
pub(super) struct Arrivals {
    clients: Arc<Semaphore>,
    public: Arc<Semaphore>,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        let bytes = |most| Arc::new(Semaphore::new(most));
        Self { clients: bytes(OF_CLIENTS), public: bytes(OF_THE_PUBLIC) }
    }

    fn of(&self, kind: Kind) -> &Arc<Semaphore> {
        match kind {
            Kind::Client => &self.clients,
            Kind::Notification | Kind::Payer => &self.public,
        }
    }
}

/// Why there is no whole body.
#[derive(Debug)]
pub(super) enum NotWhole {
    /// It is larger than it may be.
    TooLarge,
    /// The connection broke, or what came is no body.
    Broken,
    /// It took longer than 10 seconds.
    Late,
    /// There was no room for it, or no place for its request afterwards.
    Refused(Box<Problem>),
}

/// A body that has not been read. Handlers take this and never [`Body`], so that none holds a place while it waits.
#[derive(Debug)]
pub(super) struct Arriving {
    body: Body,
    seat: Option<Arc<Seat>>,
    room: Arc<Semaphore>,
}

impl FromRequest<Api> for Arriving {
    type Rejection = Infallible;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Infallible> {
        let (parts, body) = request.into_parts();
        let seat = parts.extensions.get::<Arc<Seat>>().cloned();
        let kind = seat.as_ref().map_or(Kind::Client, |seat| seat.kind());
        Ok(Self { body, seat, room: Arc::clone(api.arrivals.of(kind)) })
    }
}

impl Arriving {
    /// Waits for the whole body, of at most so many bytes. The request gives its place to others meanwhile.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) async fn whole(self, bytes_max: usize) -> Result<Vec<u8>, NotWhole> {
        if let Some(seat) = &self.seat {
            seat.leave();
        }
        let mut held = None;
        let arrives = collect(self.body, bytes_max, &self.room, &mut held);
        let bytes = tokio::time::timeout(TIME, arrives).await.unwrap_or(Err(NotWhole::Late))?;
        if let Some(seat) = &self.seat {
            seat.take_again().map_err(|problem| NotWhole::Refused(Box::new(problem)))?;
        }
        Ok(bytes)
    }
}

/// Copies what arrives. The parts themselves may be of one byte each, and every one of them keeps more memory alive than
/// its own.
async fn collect(
    mut body: Body,
    bytes_max: usize,
    room: &Arc<Semaphore>,
    held: &mut Option<OwnedSemaphorePermit>,
) -> Result<Vec<u8>, NotWhole> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // What is no data are trailers, which nothing asks for.
        let Ok(data) = frame.map_err(|_| NotWhole::Broken)?.into_data() else { continue };
        let length = bytes.len().saturating_add(data.len());
        if length > bytes_max {
            return Err(NotWhole::TooLarge);
        }
        hold(room, length.saturating_sub(ALWAYS.max(bytes.len())), held)?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Takes room for so many bytes more.
fn hold(
    room: &Arc<Semaphore>,
    bytes: usize,
    held: &mut Option<OwnedSemaphorePermit>,
) -> Result<(), NotWhole> {
    if bytes == 0 {
        return Ok(());
    }
    let more =
        u32::try_from(bytes).ok().and_then(|bytes| Arc::clone(room).try_acquire_many_owned(bytes).ok());
    let Some(more) = more else {
        metrics::shed(Shed::Bodies);
        return Err(NotWhole::Refused(Box::new(Problem::plain(ProblemCode::Overloaded))));
    };
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
    Ok(())
}

/// Reads a body that nothing asks for, and keeps none of it: the connection is closed after the answer, and what was not
/// read would break it before the caller has seen that answer.
pub(super) async fn discard(mut body: Body, most: usize) {
    let reads = async {
        let mut seen = 0_usize;
        while let Some(Ok(frame)) = body.frame().await {
            seen = seen.saturating_add(frame.data_ref().map_or(0, |data| data.len()));
            if seen > most {
                return;
            }
        }
    };
    let _ = tokio::time::timeout(UNWANTED_TIME, reads).await;
}
