//! The plain sections: what they hold and how they are read.

use std::net::SocketAddr;
use std::time::Duration;

use super::address::{Network, StoreUrl};
use super::section::{Read, Section};
use super::tls::TlsSettings;
use guichet_port::settings::{KeyError, plain_url, secret};

/// `[server]`: where guichet listens and how long it takes.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Address of the API. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Address of the probes and metrics.
    pub ops_listen: SocketAddr,
    /// Where others reach the API: http or https, perhaps with a path, no slash at the end.
    pub public_url: String,
    /// How long a caller waits at most for an answer.
    pub request_timeout: Duration,
    /// How long requests are served as usual after a stop signal; a part of `grace`.
    pub drain_wait: Duration,
    /// How long everything may take to end after a stop signal.
    pub grace: Duration,
    /// TLS of the API's listener, if it has it.
    pub tls: Option<TlsSettings>,
}

impl ServerSettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Self> {
        let listen = section.parsed("listen", listen_address);
        let ops_listen = section.parsed("ops_listen", listen_address);
        let public_url = section.parsed("public_url", |text| {
            plain_url(text).map(|url| url.as_str().trim_end_matches('/').to_owned())
        });
        let request_timeout = section.milliseconds("request_timeout_ms", 10..=300_000);
        let drain_wait = section.milliseconds("drain_wait_ms", 0..=60_000);
        let grace = section.milliseconds("grace_ms", 0..=600_000);
        let tls = TlsSettings::read(section.child("tls"));
        if let (Ok(listen), Ok(ops_listen)) = (&listen, &ops_listen)
            && listen == ops_listen
            && listen.port() != 0
        {
            let problem = KeyError::new(
                section.path("ops_listen"),
                format!("must not be server.listen, which is {listen} too"),
            );
            section.report(problem);
        }
        section.finish();
        Ok(Self {
            listen: listen?,
            ops_listen: ops_listen?,
            public_url: public_url?,
            request_timeout: request_timeout?,
            drain_wait: drain_wait?,
            grace: grace?,
            tls: tls?,
        })
    }
}

impl ServerSettings {
    /// Whether nothing differs but the files of `[server.tls]`.
    pub fn same_but_tls(&self, other: &Self) -> bool {
        let plain = |server: &Self| {
            let Self { listen, ops_listen, public_url, request_timeout, drain_wait, grace, tls: _ } = server;
            (*listen, *ops_listen, public_url.clone(), *request_timeout, *drain_wait, *grace)
        };
        plain(self) == plain(other)
    }
}

/// `[store]`: where orders and operations are kept, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSettings {
    /// The database.
    pub url: StoreUrl,
    /// Days after which payer data and raw notifications are erased.
    pub retention_days: u64,
}

impl StoreSettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Self> {
        let (value, file) = (section.take("url"), section.take("url_file"));
        let path = section.path("url");
        let url = match secret::resolve(&path, value.as_ref(), file.as_ref()) {
            Err(problem) => Err(section.report(problem)),
            Ok(text) => text.as_ref().and_then(StoreUrl::parse).ok_or_else(|| {
                // Not repeated: it may hold a password.
                let wrong = "must be sqlite://FILE or postgres://USER:PASSWORD@HOST/DATABASE";
                match value.as_ref().or(file.as_ref()) {
                    Some(value) => section.refuse("url", value, wrong),
                    None => section.report(KeyError::new(&path, wrong)),
                }
            }),
        };
        let retention_days = section.integer("retention_days", 30..=36_500, "days");
        section.finish();
        Ok(Self { url: url?, retention_days: retention_days? })
    }
}

/// `[resilience]`: patience with providers.
#[derive(Debug, Clone)]
pub struct ResilienceSettings {
    /// How long connecting to a provider may take.
    pub connect_timeout: Duration,
    /// How long a change's answer is listened for.
    pub provider_timeout: Duration,
    /// Calls under way at once per account.
    pub max_in_flight: u64,
    /// Calls in a row without a usable answer that open an account's breaker.
    pub breaker_failures: u64,
    /// How long an open breaker waits before a read tries again.
    pub breaker_open: Duration,
}

impl ResilienceSettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Self> {
        let connect_timeout = section.milliseconds("connect_timeout_ms", 10..=60_000);
        let provider_timeout = section.milliseconds("provider_timeout_ms", 10..=600_000);
        let max_in_flight = section.integer("max_in_flight", 1..=65_536, "calls");
        let breaker_failures = section.integer("breaker_failures", 1..=1_000, "failures");
        let breaker_open = section.milliseconds("breaker_open_ms", 10..=600_000);
        if let (Ok(connect), Ok(provider)) = (connect_timeout, provider_timeout)
            && connect > provider
        {
            let problem = KeyError::new(
                section.path("connect_timeout_ms"),
                format!("must not be above provider_timeout_ms, which is {}", provider.as_millis()),
            );
            section.report(problem);
        }
        section.finish();
        Ok(Self {
            connect_timeout: connect_timeout?,
            provider_timeout: provider_timeout?,
            max_in_flight: max_in_flight?,
            breaker_failures: breaker_failures?,
            breaker_open: breaker_open?,
        })
    }
}

/// `[limits]`: what one caller may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Requests per second and client, on average.
    pub rate_per_second: u64,
    /// Requests at once and client on top of that.
    pub burst: u64,
    /// Bytes of a request body.
    pub body_bytes: u64,
    /// Requests of clients under way at once.
    pub requests_under_way: u64,
}

impl LimitSettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Self> {
        let rate_per_second = section.integer("rate_per_second", 1..=1_000_000, "requests per second");
        let burst = section.integer("burst", 1..=1_000_000, "requests");
        let body_bytes = section.integer("body_bytes", 1_024..=16_777_216, "bytes");
        // With what is public besides, more would find no connection.
        let requests_under_way = section.integer("requests_under_way", 64..=4_096, "requests");
        section.finish();
        Ok(Self {
            rate_per_second: rate_per_second?,
            burst: burst?,
            body_bytes: body_bytes?,
            requests_under_way: requests_under_way?,
        })
    }
}

/// `[webhooks]`: calls to internal services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Internal networks that may be called all the same.
    pub allow_networks: Vec<Network>,
    /// How long a delivery may take to be answered.
    pub timeout: Duration,
    /// After so many days without a valid credential of its client an endpoint is disabled, unless the client is configured.
    pub lapse_days: u64,
}

impl WebhookSettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Self> {
        let allow_networks = section.list("allow_networks", Network::parse);
        let timeout = section.milliseconds("timeout_ms", 10..=60_000);
        let lapse_days = section.integer("lapse_days", 7..=3_650, "days");
        section.finish();
        Ok(Self { allow_networks: allow_networks?, timeout: timeout?, lapse_days: lapse_days? })
    }
}

/// `[tracing]`: where spans are exported to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TracingSettings {
    /// The collector, without a slash at the end; `None`: spans are not built at all.
    pub otlp_endpoint: Option<String>,
    /// Of a thousand traces that begin here, so many are recorded.
    pub sample_per_mille: u64,
    /// What this service is called in traces.
    pub service_name: String,
}

impl TracingSettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Self> {
        let otlp_endpoint = section.parsed("otlp_endpoint", |text| match text {
            "" => Ok(None),
            text => plain_url(text).map(|url| Some(url.as_str().trim_end_matches('/').to_owned())),
        });
        let sample_per_mille = section.integer("sample_per_mille", 0..=1_000, "of a thousand");
        let service_name = section.parsed("service_name", |text| {
            let is_name = (1..=64).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if is_name {
                Ok(text.to_owned())
            } else {
                Err("must be 1 to 64 letters, digits, `.`, `_` and `-`".to_owned())
            }
        });
        section.finish();
        Ok(Self {
            otlp_endpoint: otlp_endpoint?,
            sample_per_mille: sample_per_mille?,
            service_name: service_name?,
        })
    }
}

/// The least important kind of message that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Only failures.
    Error,
    /// Also what may become one.
    Warn,
    /// Also what happens.
    Info,
    /// Also why.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Its name, as a log filter understands it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// What is logged.
    pub level: LogLevel,
    /// How it looks.
    pub format: LogFormat,
}

impl LogSettings {
    pub(super) fn read(mut section: Section<'_>) -> Read<Self> {
        use LogLevel::{Debug, Error, Info, Trace, Warn};
        let levels = [Error, Warn, Info, Debug, Trace].map(|level| (level.as_str(), level));
        let level = section.choice("level", &levels);
        let format = section.choice("format", &[("json", LogFormat::Json), ("text", LogFormat::Text)]);
        section.finish();
        Ok(Self { level: level?, format: format? })
    }
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("must be an address and port such as 127.0.0.1:8080, not `{text}`"))
}
