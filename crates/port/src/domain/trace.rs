//! Which request caused something: its id, and its place in a distributed trace (W3C Trace Context, level 1,
//! <https://www.w3.org/TR/trace-context-1/>).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A place in a trace: what the header `traceparent` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    sampled: bool,
}

/// A text that is no `traceparent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no traceparent")]
pub struct NoTraceParent;

impl TraceParent {
    /// The first place of a new trace.
    pub fn root(sampled: bool) -> Self {
        Self { trace_id: random(), span_id: random(), sampled }
    }

    /// Another place in the same trace.
    pub fn child(self) -> Self {
        Self { span_id: random(), ..self }
    }

    /// The same place, recorded or not.
    pub fn with_sampled(self, sampled: bool) -> Self {
        Self { sampled, ..self }
    }

    /// The trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// The place in it.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// The trace as text: 32 hexadecimal digits.
    pub fn trace_id_hex(&self) -> String {
        hex::encode(self.trace_id)
    }
}

/// Zeros mean that there is none, so they are not given.
fn random<const N: usize>() -> [u8; N] {
    loop {
        let mut bytes = [0; N];
        rand::fill(&mut bytes);
        if bytes.iter().any(|byte| *byte != 0) {
            return bytes;
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut trace_id, mut span_id) = ([0; 32], [0; 16]);
        // On the way of every request: into room that is there already, which is large enough.
        let written = hex::encode_to_slice(self.trace_id, &mut trace_id)
            .and_then(|()| hex::encode_to_slice(self.span_id, &mut span_id));
        written.map_err(|_| fmt::Error)?;
        f.write_str("00-")?;
        f.write_str(std::str::from_utf8(&trace_id).unwrap_or_default())?;
        f.write_str("-")?;
        f.write_str(std::str::from_utf8(&span_id).unwrap_or_default())?;
        f.write_str(if self.sampled { "-01" } else { "-00" })
    }
}

impl FromStr for TraceParent {
    type Err = NoTraceParent;

    /// Of a later version only what this one knows is read, as the specification wants.
    fn from_str(text: &str) -> Result<Self, NoTraceParent> {
        let mut parts = text.splitn(5, '-');
        let mut next = || parts.next().unwrap_or_default();
        let (version, trace_id, span_id, flags) = (next(), next(), next(), next());
        let has_more = parts.next().is_some();
        let [version]: [u8; 1] = digits(version)?;
        let [flags]: [u8; 1] = digits(flags)?;
        let (trace_id, span_id): ([u8; 16], [u8; 8]) = (digits(trace_id)?, digits(span_id)?);
        let is_zero = trace_id == [0; 16] || span_id == [0; 8];
        if version == 0xff || (version == 0 && has_more) || is_zero {
            return Err(NoTraceParent);
        }
        Ok(Self { trace_id, span_id, sampled: flags & 1 == 1 })
    }
}

/// Exactly these bytes, in lower case.
fn digits<const N: usize>(text: &str) -> Result<[u8; N], NoTraceParent> {
    let mut bytes = [0; N];
    let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) if is_lower => Ok(bytes),
        Ok(()) | Err(_) => Err(NoTraceParent),
    }
}

impl TryFrom<String> for TraceParent {
    type Error = NoTraceParent;

    fn try_from(text: String) -> Result<Self, NoTraceParent> {
        text.parse()
    }
}

impl From<TraceParent> for String {
    fn from(place: TraceParent) -> Self {
        place.to_string()
    }
}

/// The request behind a piece of work or an event; empty when there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Its id.
    pub request_id: Option<String>,
    /// Its place in a trace.
    pub traceparent: Option<TraceParent>,
}

impl Cause {
    /// Its trace as text.
    pub fn trace_id(&self) -> Option<String> {
        self.traceparent.map(|place| place.trace_id_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let place: TraceParent = text.parse().unwrap();
        assert_eq!(place.to_string(), text);
        assert_eq!(place.trace_id_hex(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let child = place.child();
        assert_eq!((child.trace_id(), child.is_sampled()), (place.trace_id(), true));
        assert_ne!(child.span_id(), place.span_id());
        let root = TraceParent::root(false);
        assert_eq!(root.to_string().parse(), Ok(root));
        assert_eq!(serde_json::to_string(&place).unwrap(), format!("\"{text}\""));
    }

    #[test]
    fn only_what_the_specification_allows_is_a_traceparent() {
        let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        // Later versions may have more behind the flags; flags not known here are dropped.
        for (text, read) in [
            (format!("00-{trace}-{span}-00"), format!("00-{trace}-{span}-00")),
            (format!("00-{trace}-{span}-ff"), format!("00-{trace}-{span}-01")),
            (format!("cc-{trace}-{span}-01"), format!("00-{trace}-{span}-01")),
            (format!("cc-{trace}-{span}-00-what-is-new"), format!("00-{trace}-{span}-00")),
        ] {
            assert_eq!(text.parse::<TraceParent>().unwrap().to_string(), read, "{text}");
        }
        for text in [
            String::new(),
            "nonsense".to_owned(),
            format!("ff-{trace}-{span}-01"),
            format!("00-{trace}-{span}-01-more"),
            format!("00-{trace}-{span}-01 "),
            format!("00-{trace}-{span}"),
            format!("0-{trace}-{span}-01"),
            format!("00-{}-{span}-01", trace.to_uppercase()),
            format!("00-{}-{span}-01", "0".repeat(32)),
            format!("00-{trace}-{}-01", "0".repeat(16)),
            format!("00-{trace}-{span}-0g"),
            format!("00-{trace}é-{span}-01"),
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(NoTraceParent), "{text}");
        }
    }
}
