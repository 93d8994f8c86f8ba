//! `paymentInit` of the POST channel: the payer's browser brings the sealed request itself and gets the page at once.
//!
//! Source: Paypage POST guide, "payment request" with its seal vector; a third-party client for the address, which is
//! `/paymentInit` on the host of the pages. Inferred: what the payer sees of a wrong request.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::members::{self, Version, malformed, missing, unfit};
use super::seal::Algorithm;
use super::services::{INIT, NEWEST_PAGE, NEWEST_TWO, Session};
use super::shops::shop;
use super::{Book, Sips};
use crate::page::field;
use crate::platform::{Call, Refusal};

/// The last segment of the address.
pub(super) const ADDRESS: &str = "paymentInit";

/// Members whose value is a list, parted by commas.
const LISTS: [&str; 1] = ["paymentMeanBrandList"];

/// The form that the browser brings.
#[derive(Debug)]
pub(super) struct Request {
    data: String,
    encode: String,
    seal: String,
    interface: String,
}

impl Request {
    /// The form of this body; `None` when it is another one.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let data = field(body, "Data").filter(|data| !data.is_empty())?;
        let text = |name: &str| field(body, name).unwrap_or_default();
        let (encode, seal, interface) = (text("Encode"), text("Seal"), text("InterfaceVersion"));
        Some(Self { data, encode, seal, interface })
    }

    /// The members in `Data`, which is `name=value|name=value`. Dots in a name lead into containers.
    fn members(&self) -> Option<Map<String, Value>> {
        let text = match self.encode.as_str() {
            "" => self.data.clone(),
            "base64" => String::from_utf8(STANDARD.decode(&self.data).ok()?).ok()?,
            "base64url" => String::from_utf8(URL_SAFE_NO_PAD.decode(&self.data).ok()?).ok()?,
            _ => return None,
        };
        let mut members = Map::new();
        for pair in text.split('|') {
            let (name, value) = pair.split_once('=')?;
            // The guide's vector writes the addresses in another way than the JSON channel.
            let name = name.replace("ReturnURL", "ReturnUrl").replace("ResponseURL", "ResponseUrl");
            let value = if LISTS.contains(&name.as_str()) {
                value.split(',').map(Value::from).collect()
            } else {
                Value::from(value)
            };
            match name.split_once('.') {
                None => members.insert(name, value),
                Some((outer, inner)) => {
                    let container = members.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                    container.as_object_mut()?.insert(inner.to_owned(), value)
                }
            };
        }
        Some(members)
    }
}

impl Sips {
    /// Opens the page that the form asks for, and gives its `redirectionData`.
    pub(super) fn open_by_post(&self, book: &Book, request: &Request) -> Result<String, Refusal> {
        let mut members = request.members().ok_or_else(|| malformed("Data"))?;
        let text = |name: &str| members::text(&members, name).ok_or_else(|| missing(name));
        let shop = shop(&text("merchantId")?).ok_or_else(|| Refusal::new("03"))?;
        let key_version = text("keyVersion")?;
        let secret = shop.secret(&key_version).ok_or_else(|| Refusal::new("34"))?;
        // Another default than in the JSON channel: Paypage POST guide, "seal calculation".
        let algorithm = match members::text(&members, "sealAlgorithm") {
            None => Algorithm::FORM_DEFAULT,
            Some(word) => Algorithm::named(&word).ok_or_else(|| unfit("sealAlgorithm"))?,
        };
        if algorithm.seal(&request.data, &secret) != request.seal {
            return Err(Refusal::new("34"));
        }
        let version = match Version::split(&request.interface) {
            Some(("HP", version)) if version.major == 2 && version <= NEWEST_TWO => version,
            Some(("HP", version)) if version.major == 3 && version <= NEWEST_PAGE => version,
            _ => return Err(unfit("interfaceVersion")),
        };
        // What the JSON channel has inside, this one has beside.
        members.insert("interfaceVersion".to_owned(), request.interface.clone().into());
        members.insert("seal".to_owned(), request.seal.clone().into());
        let call = Call { brand: book.brand.to_owned(), service: INIT.to_owned(), ..Call::default() };
        let session =
            Session { book, shop, call: &call, members: &members, version, key_version, now: self.now() };
        let answer = self.open_page(&session)?;
        Ok(members::text(&answer, "redirectionData").unwrap_or_default())
    }
}
