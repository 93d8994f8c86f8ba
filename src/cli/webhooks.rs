//! `guichet webhooks`: where events go, for operators, whoever made the endpoint. Works beside a running service.

use std::{process::ExitCode, time::Duration};

use clap::Subcommand;

use crate::{
    app,
    config::Settings,
    domain::{EndpointId, Timestamp},
    outbox::Clients,
    store::{
        outbox::{Endpoint, Owners},
        sqlite::SqliteStore,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum WebhooksCommand {
    /// List the webhook endpoints of all clients: id, client, whether it is enabled, when a valid credential of the client was
    /// seen last (to a day) and until when one must be seen again, address without its query.
    List,
    /// Disable a webhook endpoint. The running guichet sends nothing more there, beginning with the next event. Its events wait; its
    /// client can enable it again. The audit trail says that an operator did it.
    Disable {
        /// The endpoint's id.
        #[arg(value_name = "ID")]
        id: String,
    },
}

pub(super) fn run(settings: &Settings, command: WebhooksCommand) -> super::Outcome {
    let url = app::store_url(settings)?;
    match command {
        WebhooksCommand::List => {
            let (endpoints, owners) = SqliteStore::list_webhooks(&url)?;
            print!("{}", table(settings, &endpoints, &owners));
        }
        WebhooksCommand::Disable { id } => {
            let id: EndpointId = id.parse().map_err(|_| format!("`{id}` is no id of an endpoint"))?;
            match SqliteStore::disable_webhook(&url, id)? {
                true => println!("{id} is disabled"),
                false => println!("{id} was disabled already"),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for each endpoint, with tabs between its members.
fn table(settings: &Settings, endpoints: &[Endpoint], owners: &Owners) -> String {
    let clients = Clients::new(&settings.auth);
    let limit = Duration::from_secs(settings.webhooks.lapse_days.saturating_mul(24 * 3_600));
    let mut text = "id\tclient\tstate\tseen\tlapses\turl\n".to_owned();
    for endpoint in endpoints {
        let state = match (endpoint.enabled, &endpoint.disabled_reason) {
            (true, _) => "enabled".to_owned(),
            (false, None) => "disabled".to_owned(),
            (false, Some(reason)) => format!("disabled ({reason})"),
        };
        let seen = owners.seen.get(&endpoint.client).copied();
        let lapses = match seen {
            _ if clients.is_configured(&endpoint.client) => "never".to_owned(),
            seen => told(seen.map(|at| at.plus(limit))),
        };
        // A query may hold a secret of the receiver.
        let url = endpoint.url.split('?').next().unwrap_or_default();
        let members = [&endpoint.id.to_string(), &endpoint.client, &state, &told(seen), &lapses, url];
        text.push_str(&members.join("\t"));
        text.push('\n');
    }
    text
}

fn told(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "unknown".to_owned(), |at| at.to_string())
}
