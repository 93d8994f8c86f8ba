//! Canaries, the places where each may be, and everything that was seen.

use std::collections::BTreeSet;

/// Where something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Lines on standard error, at level trace.
    Log,
    Metrics,
    /// Swagger UI, the document, the pages of problems, the probes.
    Docs,
    /// Answers with status 400 and above.
    Problem,
    /// Answers about orders.
    OrderAnswer,
    /// Answers about operations.
    OperationAnswer,
    /// Events, listed and streamed.
    EventAnswer,
    /// Answers about accounts.
    AccountAnswer,
    /// Answers about webhook endpoints and deliveries.
    EndpointAnswer,
    /// What the payer's browser and the provider get.
    PayerPage,
    /// What receivers of webhooks get.
    WebhookCall,
    /// Columns of the store, raw notifications left out.
    Store,
    /// Raw notifications in the store.
    Raw,
    /// Bytes of the store's files, for what may be in no column.
    Files,
    /// Output of commands.
    Command,
    /// `Debug` of the configuration.
    Debug,
}

impl Place {
    const ALL: [Self; 16] = [
        Self::Log,
        Self::Metrics,
        Self::Docs,
        Self::Problem,
        Self::OrderAnswer,
        Self::OperationAnswer,
        Self::EventAnswer,
        Self::AccountAnswer,
        Self::EndpointAnswer,
        Self::PayerPage,
        Self::WebhookCall,
        Self::Store,
        Self::Raw,
        Self::Files,
        Self::Command,
        Self::Debug,
    ];

    fn words(self) -> &'static str {
        match self {
            Self::Log => "the log",
            Self::Metrics => "the metrics",
            Self::Docs => "the documentation",
            Self::Problem => "a problem",
            Self::OrderAnswer => "an answer about an order",
            Self::OperationAnswer => "an answer about an operation",
            Self::EventAnswer => "an event",
            Self::AccountAnswer => "an answer about an account",
            Self::EndpointAnswer => "an answer about an endpoint",
            Self::PayerPage => "a payer's page",
            Self::WebhookCall => "a webhook",
            Self::Store => "the store",
            Self::Raw => "a raw notification",
            Self::Files => "the files of the store",
            Self::Command => "the output of a command",
            Self::Debug => "the printed configuration",
        }
    }
}

/// Everything that was seen, with where exactly.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<(Place, String, String)>);

impl Seen {
    pub(super) fn add(&mut self, place: Place, what: impl Into<String>, text: impl Into<String>) {
        self.0.push((place, what.into(), text.into()));
    }

    /// An empty place would make every search in it succeed.
    pub(super) fn check_that_it_is_complete(&self) {
        let seen: BTreeSet<Place> =
            self.0.iter().filter(|(_, _, text)| !text.is_empty()).map(|(place, ..)| *place).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), Place::ALL);
    }
}

/// Something that must not be just anywhere.
#[derive(Debug)]
struct Canary {
    name: String,
    spellings: Vec<String>,
    may: Vec<Place>,
}

#[derive(Debug, Default)]
pub(super) struct Canaries(Vec<Canary>);

impl Canaries {
    /// `may` are the places where it belongs.
    pub(super) fn add(&mut self, name: &str, value: impl Into<String>, may: &[Place]) {
        let value = value.into();
        assert!(value.len() >= 8, "{name} is too short to be searched for");
        let json = serde_json::to_string(&value).unwrap();
        let json = json.trim_matches('"').to_owned();
        let percent: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        let ascii: String = json
            .chars()
            .map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) })
            .collect();
        let mut spellings = vec![
            percent.replace('+', "%20"),
            percent,
            ascii.replace('/', "\\/"),
            json.replace('/', "\\/"),
            ascii,
            json,
            value,
        ];
        spellings.sort();
        spellings.dedup();
        self.0.push(Canary { name: name.to_owned(), spellings, may: may.to_vec() });
    }

    /// A secret: it belongs nowhere.
    pub(super) fn add_secret(&mut self, name: &str, value: impl Into<String>) {
        self.add(name, value, &[]);
    }

    /// What was seen where it does not belong, and what was to be seen and was not.
    pub(super) fn leaks(&self, seen: &Seen) -> Vec<String> {
        let mut leaks = Vec::new();
        for canary in &self.0 {
            for (place, what, text) in &seen.0 {
                let in_columns = [Place::Store, Place::Raw].iter().any(|place| canary.may.contains(place));
                let may = canary.may.contains(place) || (*place == Place::Files && in_columns);
                if !may && canary.spellings.iter().any(|spelling| text.contains(spelling)) {
                    let around =
                        canary.spellings.iter().find_map(|spelling| text.find(spelling)).unwrap_or(0);
                    let context: String = text.chars().skip(around.saturating_sub(150)).take(300).collect();
                    leaks.push(format!("{}: in {} ({what}): {context}", canary.name, place.words()));
                }
            }
        }
        leaks
    }

    /// Whether a canary was seen where it belongs: else the scenario does not do what it is for.
    pub(super) fn expect(&self, seen: &Seen, name: &str, place: Place) {
        let canary = self.0.iter().find(|canary| canary.name == name).unwrap();
        let is_there = seen.0.iter().any(|(at, _, text)| {
            *at == place && canary.spellings.iter().any(|spelling| text.contains(spelling))
        });
        assert!(is_there, "{name} was not seen in {}", place.words());
    }
}
