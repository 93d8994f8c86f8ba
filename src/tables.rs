//! The documentation that is generated from the adapters' tables: `docs/statuses.md`, `docs/errors.md` and
//! `docs/capabilities.md`. A test compares the committed files; `make docs` writes them.

use std::fmt::Write as _;

use crate::{
    adapter::{ErrorKind, ErrorRow, OperationCapability, ProviderDescription, Tables},
    domain::{OperationKind, OrderStatus},
    orders::documented_code,
};

const ORIGIN: &str =
    "Generated from the adapters' tables by `make docs`; a test compares it with the code.\n";

/// The files by their names in `docs`.
pub fn files() -> [(&'static str, String); 3] {
    let tables: Vec<(ProviderDescription, Tables)> =
        guichet_providers::all().into_iter().map(|provider| (provider, (provider.tables)())).collect();
    [
        ("statuses.md", statuses(&tables)),
        ("errors.md", errors(&tables)),
        ("capabilities.md", capabilities(&tables)),
    ]
}

fn statuses(all: &[(ProviderDescription, Tables)]) -> String {
    let mut text = format!("# Statuses\n\n{ORIGIN}\n| status | meaning |\n|---|---|\n");
    for status in OrderStatus::ALL {
        let _ = writeln!(text, "| `{status}` | {} |", status.meaning());
    }
    for (provider, tables) in all {
        let _ = write!(
            text,
            "\n## {} (`{}`)\n\n| member | word | status | note |\n|---|---|---|---|\n",
            tables.title, provider.id
        );
        for row in &tables.statuses {
            let _ = writeln!(text, "| `{}` | `{}` | `{}` | {} |", row.member, row.word, row.status, row.note);
        }
        text.push_str("| any | anything else | `unknown` | kept in `provider_status` |\n");
    }
    text
}

fn errors(all: &[(ProviderDescription, Tables)]) -> String {
    let mut text = format!(
        "# Error codes of the providers\n\n{ORIGIN}\n\
         `retryable`: the same request may succeed later without being changed. A code that says that something may have\n\
         happened is settled by reading the provider; what cannot be settled at once is 202 with the outcome `unknown`.\n"
    );
    for (provider, tables) in all {
        let _ = write!(
            text,
            "\n## {} (`{}`)\n\n| code | our code | HTTP | retryable | meaning | member |\n|---|---|---|---|---|---|\n",
            tables.title, provider.id
        );
        for row in &tables.errors {
            let _ = writeln!(
                text,
                "| {}`{}` | {} | {} | {} | {} |",
                member(row),
                row.code,
                row.kind.map_or_else(|| "no failure | 200, 202".to_owned(), ours),
                if row.retryable { "yes" } else { "no" },
                row.meaning,
                row.pointer.map(|pointer| format!("`{pointer}`")).unwrap_or_default(),
            );
        }
    }
    text
}

fn member(row: &ErrorRow) -> String {
    if row.member.is_empty() { String::new() } else { format!("`{}` ", row.member) }
}

/// Our code and its HTTP status, in two columns.
fn ours(kind: ErrorKind) -> String {
    if kind.money_may_have_moved() {
        return "settled by reading | 200, 202, or the refusal; reads 502".to_owned();
    }
    if kind == ErrorKind::AlreadyDone {
        return "`already_done` for a full cancel, else `order_state_conflict` | 200, 409".to_owned();
    }
    let code = documented_code(kind);
    format!("`{}` | {}", code.as_str(), code.status())
}

fn capabilities(all: &[(ProviderDescription, Tables)]) -> String {
    let mut text = format!(
        "# What each provider can do\n\n{ORIGIN}\n\
         *Findable*: a read can find its effect again after the answer was lost; where not, only a notification or a person\n\
         settles it. *Repeat harmless*: doing it twice changes nothing more than doing it once.\n"
    );
    for (provider, tables) in all {
        let _ = write!(
            text,
            "\n## {} (`{}`)\n\nBrands: {}\n\n| operation | supported | partial | from | findable | repeat harmless |\n|---|---|---|---|---|---|\n",
            tables.title,
            provider.id,
            tables.brands.iter().map(|brand| format!("`{brand}`")).collect::<Vec<_>>().join(", "),
        );
        for kind in OperationKind::ALL {
            let _ = writeln!(text, "| {} | {} |", kind.as_str(), row(tables.capabilities.operation(kind)));
        }
        let channels = tables.capabilities.delivery_channels.iter().map(|channel| channel.as_str());
        let _ = writeln!(text, "\nDelivery channels: {}.", channels.collect::<Vec<_>>().join(", "));
        let methods = tables.capabilities.payment_methods.join(", ");
        let _ = writeln!(
            text,
            "Payment methods: {}.",
            if methods.is_empty() { "none to choose" } else { &methods }
        );
        let _ = writeln!(text, "Currencies: {}.", tables.capabilities.currencies.join(" "));
        for note in tables.notes {
            let _ = writeln!(text, "{note}");
        }
    }
    text
}

fn row(capability: OperationCapability) -> String {
    if !capability.supported {
        return "no | | | |".to_owned();
    }
    let word = |flag: bool| if flag { "yes" } else { "no" };
    let from: Vec<String> = capability.from.iter().map(|status| format!("`{status}`")).collect();
    format!(
        "yes | {} | {} | {} | {}",
        word(capability.partial),
        from.join(", "),
        word(capability.findable),
        word(capability.repeat_harmless)
    )
}
