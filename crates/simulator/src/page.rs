//! The payer's page: what a person clicks in the sandbox. The platforms say what is paid and what a click does; the page,
//! its buttons and the way back to the shop are the same at all of them.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use url::form_urlencoded;

use super::platform::{PayerAction, Received, answer, html};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f3f4f6;color:#1f2937;margin:0;padding:2rem 1rem}\
main{max-width:26rem;margin:0 auto;background:#fff;border-radius:.75rem;padding:1.5rem;box-shadow:0 1px 4px #0002}\
.note{background:#fef3c7;border-radius:.5rem;padding:.5rem .75rem;font-size:.875rem}\
h1{font-size:1.25rem}.price{font-size:2rem;font-weight:600;margin:.5rem 0}\
dl{display:grid;grid-template-columns:auto 1fr;gap:.25rem 1rem;margin:1rem 0}dt{color:#6b7280}\
dd{margin:0;overflow-wrap:anywhere}button{font:inherit;width:100%;padding:.6rem;margin-top:.5rem;border-radius:.5rem;\
border:1px solid #d1d5db;background:#fff;cursor:pointer}button.pay{background:#166534;color:#fff;border-color:#166534}";

/// The payment behind a page, as the payer sees it.
#[derive(Debug)]
pub(crate) struct View {
    /// `EUR 12.50`.
    pub(crate) price: String,
    /// What else there is to know, by name.
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) state: State,
}

/// Whether the payer can do something.
#[derive(Debug)]
pub(crate) enum State {
    /// It can be paid. A word on what was before may be empty.
    Open(&'static str),
    /// It cannot, and why.
    Closed(String),
}

impl View {
    fn text(&self) -> String {
        let facts: String = self
            .facts
            .iter()
            .map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", escaped(value)))
            .collect();
        format!("<p class=\"price\">{}</p><dl>{facts}</dl>", escaped(&self.price))
    }

    /// The page with its buttons, or why there are none. The form sends these fields back; `buttons` come before the last
    /// one, as values and words.
    pub(crate) fn page(&self, fields: &[(&str, String)], buttons: &[(&str, &str)]) -> Response<Bytes> {
        let before = match &self.state {
            State::Open(before) => before,
            State::Closed(why) => return self.saying("Payment closed", why),
        };
        let before = if before.is_empty() { String::new() } else { format!("<p>{before}</p>") };
        let more: String = buttons.iter().map(|(value, word)| button(value, word)).collect();
        let content = format!(
            "{}{before}<form method=\"post\">{}<button class=\"pay\" name=\"action\" value=\"pay\">Pay</button>{}{more}{}\
             </form>",
            self.text(),
            hidden(fields),
            button("decline", "Decline"),
            button("leave", "Leave"),
        );
        html(StatusCode::OK, document("Payment", &content))
    }

    /// The page with a sentence in the place of the buttons.
    pub(crate) fn saying(&self, title: &str, sentence: &str) -> Response<Bytes> {
        html(StatusCode::OK, document(title, &format!("{}<p>{}</p>", self.text(), escaped(sentence))))
    }

    /// The page that posts these fields to the shop by itself, and on a click where scripts are off.
    pub(crate) fn posting(
        &self,
        address: &str,
        fields: &[(&str, String)],
        sentence: &str,
    ) -> Response<Bytes> {
        let content = format!(
            "{}<p>{}</p><form method=\"post\" action=\"{}\">{}<button class=\"pay\">Back to the shop</button></form>\
             <script>document.forms[0].submit()</script>",
            self.text(),
            escaped(sentence),
            escaped(address),
            hidden(fields)
        );
        html(StatusCode::OK, document("Back to the shop", &content))
    }
}

/// A page with nothing but a sentence.
pub(crate) fn plain(status: StatusCode, title: &str, sentence: &str) -> Response<Bytes> {
    html(status, document(title, &format!("<p>{}</p>", escaped(sentence))))
}

/// Serves the page of one payment: shows it on GET, and on POST does what its form says. `view` tells what there is now,
/// `click` does it and answers the browser, or gives `None` where the payment was closed since the page was shown.
pub(crate) fn serve(
    request: &Received,
    view: impl Fn() -> Option<View>,
    click: impl FnOnce(PayerAction) -> Option<Response<Bytes>>,
) -> Response<Bytes> {
    let Some(shown) = view() else {
        return plain(StatusCode::NOT_FOUND, "Unknown link", "There is no payment behind this link.");
    };
    let show = |view: View| view.page(&[], &[]);
    if request.method == Method::GET {
        return show(shown);
    }
    if request.method != Method::POST {
        return answer(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "GET or POST\n");
    }
    let action = match field(&request.body, "action").as_deref() {
        Some("pay") => PayerAction::Pay,
        Some("decline") => PayerAction::Decline,
        Some("leave") => PayerAction::Leave,
        _ => return answer(StatusCode::BAD_REQUEST, "text/plain", "action must be pay, decline or leave\n"),
    };
    click(action).unwrap_or_else(|| view().map_or_else(|| show(shown), show))
}

/// The last field of this name in a form.
pub(crate) fn field(form: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(form).filter(|(key, _)| key == name).last().map(|(_, value)| value.into_owned())
}

fn button(value: &str, word: &str) -> String {
    format!("<button name=\"action\" value=\"{value}\">{word}</button>")
}

fn hidden(fields: &[(&str, String)]) -> String {
    let input = |(name, value): &(&str, String)| {
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value))
    };
    fields.iter().map(input).collect()
}

/// Text for a place between tags or in a quoted attribute.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn document(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\"><title>{title}</title><style>{STYLE}</style></head><body>\
         <main><p class=\"note\">This is a simulator. No card is asked for and no money moves.</p>\
         <h1>{title}</h1>{content}</main></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_become_markup() {
        assert_eq!(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}
