//! Logs: one line per event on standard error, as JSON or for people. Fields by name from a list, never bodies or
//! credentials.
//!
//! This is on the way of every request, so it does no more than it must: there are no spans to keep, the ids come from
//! the [`crate::trace::Context`] of the work, a line is made in a buffer of its thread, and another thread writes.

mod line;
mod security;
mod sink;
mod sparing;

use std::{fmt, io::Write};

use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::layer::{self, Layer, SubscriberExt};

pub use line::{FIELDS, is_ours};
pub use security::SecurityLog;
pub use sparing::Sparing;

use crate::config::{LogFormat, LogLevel, LogSettings};

/// Logging as long as this lives. When it is dropped what waits is written; later lines are written one by one.
#[derive(Debug)]
#[must_use = "what waits is written when this is dropped"]
pub struct Logging(Option<sink::Sink>);

/// Starts logging. A second call changes nothing.
pub fn start(settings: &LogSettings) -> Logging {
    let (logger, logging) = match to(settings, std::io::stderr()) {
        Ok(both) => both,
        Err(error) => {
            eprintln!("guichet: there are no logs, their thread cannot be started: {error}");
            return Logging(None);
        }
    };
    if tracing::subscriber::set_global_default(logger).is_err() {
        return Logging(None);
    }
    if settings.format == LogFormat::Json {
        // What the standard library prints is no JSON, and what a panic says may hold anything.
        std::panic::set_hook(Box::new(|panic| {
            let location = panic.location().map(ToString::to_string).unwrap_or_default();
            tracing::error!(location, "a panic");
        }));
    }
    logging
}

/// What makes lines of events, and the thread that writes them to `out`.
///
/// # Errors
/// There can be no more threads.
pub fn to(
    settings: &LogSettings,
    out: impl Write + Send + 'static,
) -> std::io::Result<(impl Subscriber + Send + Sync + 'static, Logging)> {
    let sink = sink::Sink::start(out)?;
    let logger = Logger { level: level(settings.level), format: settings.format, lines: sink.lines() };
    Ok((tracing_subscriber::registry().with(logger), Logging(Some(sink))))
}

impl Drop for Logging {
    fn drop(&mut self) {
        if let Some(sink) = &self.0 {
            sink.stop();
        }
    }
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}

/// Turns events into lines.
struct Logger {
    level: Level,
    format: LogFormat,
    lines: sink::Lines,
}

impl fmt::Debug for Logger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logger")
            .field("level", &self.level)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

impl Logger {
    /// Of others only warnings: the HTTP stack's own words may hold addresses with payment references.
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let level = if is_ours(metadata.target()) { self.level } else { Level::WARN };
        metadata.is_event() && *metadata.level() <= level
    }
}

/// Spans are not used: what they would tell is in the context of the work.
impl<S: Subscriber> Layer<S> for Logger {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: layer::Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level.max(Level::WARN)))
    }

    fn on_event(&self, event: &Event<'_>, _: layer::Context<'_, S>) {
        line::write(event, self.format, |line| self.lines.push(line));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        domain::Cause,
        trace::{About, Context, Tracer},
    };

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What `work` logs.
    fn logged(format: LogFormat, work: impl FnOnce()) -> Vec<String> {
        let written = Written::default();
        let settings = LogSettings { level: LogLevel::Info, format };
        let (logger, logging) = to(&settings, written.clone()).unwrap();
        tracing::subscriber::with_default(logger, work);
        drop(logging);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn context() -> Context {
        let cause = Cause {
            request_id: Some("req-1".to_owned()),
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00".parse().ok(),
        };
        Context::of_cause(&Tracer::default(), cause)
    }

    #[test]
    fn a_line_is_one_object_with_its_ids_beside_its_fields() {
        let about = About {
            order_id: Some("shop_1".parse().unwrap()),
            operation_id: None,
            provider: Some("acme".to_owned()),
        };
        let lines = logged(LogFormat::Json, || {
            context().about(about).enter(|| {
                tracing::warn!(
                    status = 409_u16, route = "/orders/{id}", client = None::<&str>, provider = "other",
                    secret_of_payer = "zoe@example.com", error = %"a \"b\" \\ \n\u{1}é",
                    "request answered"
                );
            });
            tracing::info!(lines = -1, security = true, "alone");
            tracing::debug!("not wanted");
            let _span = tracing::error_span!("span", status = 1).entered();
        });
        let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [mut first, mut second] = <[Value; 2]>::try_from(lines).unwrap();
        for line in [&mut first, &mut second] {
            let at = line.as_object_mut().unwrap().remove("timestamp").unwrap();
            let at: jiff::Timestamp = at.as_str().unwrap().parse().unwrap();
            assert!(jiff::Timestamp::now().duration_since(at).as_secs() < 60);
        }
        assert_eq!(
            first,
            json!({
                "level": "WARN", "message": "request answered", "status": 409, "route": "/orders/{id}",
                "provider": "other", "error": "a \"b\" \\ \n\u{1}é", "request_id": "req-1",
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "order_id": "shop_1"
            })
        );
        assert_eq!(second, json!({"level": "INFO", "message": "alone", "lines": -1, "security": true}));
    }

    #[test]
    fn what_others_log_is_kept_short() {
        let lines = logged(LogFormat::Json, || {
            tracing::info!(target: "hyper", "a connection");
            tracing::warn!(target: "hyper", url = "/pay/token", reason = "secret", "a warning");
        });
        let line: Value = serde_json::from_str(&lines.concat()).unwrap();
        assert_eq!((&line["message"], &line["target"]), (&json!("a warning"), &json!("hyper")));
        assert_eq!(line.as_object().unwrap().len(), 4);
    }

    #[test]
    fn text_for_people_stays_one_line() {
        let lines = logged(LogFormat::Text, || {
            context().enter(|| tracing::info!(reason = "two\nlines", "message"));
        });
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        let (_, rest) = line.split_once("  INFO message ").unwrap();
        assert_eq!(rest, "reason=two\\nlines request_id=req-1 trace_id=4bf92f3577b34da6a3ce929d0e0e4736");
    }
}
