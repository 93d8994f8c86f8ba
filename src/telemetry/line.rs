//! One event as one line.

use std::{cell::RefCell, fmt, io::Write as _};

use tracing::{
    Event,
    field::{Field, Visit},
};

use crate::{config::LogFormat, trace};

/// Our crates. What they log may have the fields of the list; others may log warnings, and those have none.
const OURS: [&str; 4] = ["guichet", "guichet_port", "guichet_providers", "guichet_sandbox"];

/// Whether a piece of code is ours.
pub fn is_ours(target: &str) -> bool {
    target.split("::").next().is_some_and(|name| OURS.contains(&name))
}

/// Every field that a line may have, besides `timestamp`, `level`, `request_id` and `trace_id`. Others are left out.
pub const FIELDS: [&str; 47] = [
    "message",
    "client",
    "method",
    "route",
    "status",
    "duration_ms",
    "order_id",
    "operation_id",
    "provider",
    "outcome",
    "account",
    "alert",
    "code",
    "endpoint_id",
    "error",
    "errors",
    "event_id",
    "file",
    "http_status",
    "lines",
    "listen",
    "location",
    "member",
    "operation",
    "operations",
    "ops_listen",
    "provider_status",
    "reason",
    "result",
    "scope",
    "security",
    "settled_as",
    "failures",
    "address",
    "allowed",
    "change",
    "days_left",
    "deliveries",
    "keys",
    "left_out",
    "needed",
    "notifications",
    "orders",
    "peer",
    "rows",
    "secrets",
    "sections",
];

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes the line of an event and gives it to `push`.
pub(super) fn write(event: &Event<'_>, format: LogFormat, push: impl FnOnce(&[u8])) {
    BUFFER.with(|buffer| match buffer.try_borrow_mut() {
        Ok(mut buffer) => {
            buffer.clear();
            fill(&mut buffer, event, format);
            push(&buffer);
        }
        // Something logs while it is being written into a line.
        Err(_) => {
            let mut buffer = Vec::new();
            fill(&mut buffer, event, format);
            push(&buffer);
        }
    });
}

fn fill(buffer: &mut Vec<u8>, event: &Event<'_>, format: LogFormat) {
    let metadata = event.metadata();
    let now = jiff::Timestamp::now();
    // Writing into memory does not fail.
    let _ = match format {
        LogFormat::Json => {
            write!(buffer, "{{\"timestamp\":\"{now:.6}\",\"level\":\"{}\"", metadata.level())
        }
        LogFormat::Text => write!(buffer, "{now:.3} {:>5}", metadata.level().as_str()),
    };
    let mut line = Line { buffer, format, is_ours: is_ours(metadata.target()), has: Has::default() };
    event.record(&mut line);
    line.add_context();
    if !line.is_ours {
        line.put("target", metadata.target());
    }
    buffer.extend_from_slice(match format {
        LogFormat::Json => b"}\n",
        LogFormat::Text => b"\n",
    });
}

/// What the event has told itself, which goes before what its context knows.
#[derive(Default)]
struct Has {
    order_id: bool,
    operation_id: bool,
    provider: bool,
}

struct Line<'a> {
    buffer: &'a mut Vec<u8>,
    format: LogFormat,
    is_ours: bool,
    has: Has,
}

impl Line<'_> {
    /// Writes the name of a field. False when it may not be in a line.
    fn name(&mut self, field: &Field) -> bool {
        let name = field.name();
        // Other people's fields may mean anything.
        if !(name == "message" || (self.is_ours && FIELDS.contains(&name))) {
            return false;
        }
        match name {
            "order_id" => self.has.order_id = true,
            "operation_id" => self.has.operation_id = true,
            "provider" => self.has.provider = true,
            _ => {}
        }
        self.begin(name);
        true
    }

    fn begin(&mut self, name: &str) {
        match self.format {
            LogFormat::Json => {
                self.buffer.extend_from_slice(b",\"");
                self.buffer.extend_from_slice(name.as_bytes());
                self.buffer.extend_from_slice(b"\":");
            }
            LogFormat::Text if name == "message" => self.buffer.push(b' '),
            LogFormat::Text => {
                self.buffer.push(b' ');
                self.buffer.extend_from_slice(name.as_bytes());
                self.buffer.push(b'=');
            }
        }
    }

    fn quoted(&mut self, value: &fmt::Arguments<'_>) {
        let quote: &[u8] = if self.format == LogFormat::Json { b"\"" } else { b"" };
        self.buffer.extend_from_slice(quote);
        let _ = fmt::Write::write_fmt(&mut Escaped(self.buffer), *value);
        self.buffer.extend_from_slice(quote);
    }

    fn text(&mut self, text: &str) {
        let quote: &[u8] = if self.format == LogFormat::Json { b"\"" } else { b"" };
        self.buffer.extend_from_slice(quote);
        escape(self.buffer, text);
        self.buffer.extend_from_slice(quote);
    }

    fn put(&mut self, name: &str, value: &str) {
        self.begin(name);
        self.text(value);
    }

    fn plain(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if self.name(field) {
            let _ = self.buffer.write_fmt(value);
        }
    }

    /// The ids of the work in which the event happened.
    fn add_context(&mut self) {
        trace::with_current(|context| {
            if let Some(id) = &context.cause().request_id {
                self.put("request_id", id);
            }
            let mut digits = [0_u8; 32];
            if hex::encode_to_slice(context.trace_id(), &mut digits).is_ok() {
                self.put("trace_id", std::str::from_utf8(&digits).unwrap_or_default());
            }
            let about = context.subject();
            if let Some(id) = about.order_id.as_ref().filter(|_| !self.has.order_id) {
                self.begin("order_id");
                self.quoted(&format_args!("{id}"));
            }
            if let Some(id) = about.operation_id.as_ref().filter(|_| !self.has.operation_id) {
                self.begin("operation_id");
                self.quoted(&format_args!("{id}"));
            }
            if let Some(provider) = about.provider.as_ref().filter(|_| !self.has.provider) {
                self.put("provider", provider);
            }
        });
    }
}

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if self.name(field) {
            self.quoted(&format_args!("{value:?}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if self.name(field) {
            self.text(value);
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.plain(field, format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.plain(field, format_args!("{value}"));
    }
}

/// Makes text safe for a line in either format: nothing in it can end the text or the line.
struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

fn escape(buffer: &mut Vec<u8>, text: &str) {
    let is_special = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\' || byte == 0x7f;
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| is_special(*byte)) {
        let (before, from) = rest.split_at(at);
        buffer.extend_from_slice(before);
        let Some((special, after)) = from.split_first() else { return };
        match special {
            b'"' => buffer.extend_from_slice(b"\\\""),
            b'\\' => buffer.extend_from_slice(b"\\\\"),
            b'\n' => buffer.extend_from_slice(b"\\n"),
            byte => {
                let _ = write!(buffer, "\\u{byte:04x}");
            }
        }
        rest = after;
    }
    buffer.extend_from_slice(rest);
}
