//! Logs: one JSON object per line on standard error, fields by name, never bodies or credentials.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// Starts logging. A second call changes nothing.
pub fn start(settings: &LogSettings) {
    let level = settings.level.as_str();
    // The HTTP stack's own words may hold addresses with payment references.
    let filter = EnvFilter::new(format!("warn,guichet={level}"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let _ = match settings.format {
        LogFormat::Json => {
            builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
        }
        LogFormat::Text => builder.compact().try_init(),
    };
}
