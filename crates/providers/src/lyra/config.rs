//! The settings of one shop: where it lives, its number, its password.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use http::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use guichet_port::{
    adapter::{AccountSettings, KeyError},
    domain::Mode,
};

/// Brands and their REST servers. Source: the brands' public documentation and Lyra's published plugins; Monetico Retail:
/// its plugin, read 2026-12-01. The server of PayZen India is gone, as seen by a third party; read 2026-12-01. The
/// brand stays, so that a configuration that names it is still read; a new server is given as `base_url`.
pub(super) const BRANDS: [(&str, &str); 15] = [
    ("systempay", "https://api.systempay.fr/api-payment/"),
    ("epaync", "https://epaync.nc/api-payment/"),
    ("payzen", "https://api.payzen.eu/api-payment/"),
    ("lyra-collect", "https://api.lyra.com/api-payment/"),
    ("scellius", "https://api.scelliuspaiement.labanquepostale.fr/api-payment/"),
    ("sogecommerce", "https://api-sogecommerce.societegenerale.eu/api-payment/"),
    ("clicandpay", "https://api-clicandpay.groupecdn.fr/api-payment/"),
    ("osb", "https://api.secure.osb.pf/api-payment/"),
    ("micuentaweb", "https://api.micuentaweb.pe/api-payment/"),
    ("payzen-latam", "https://api.payzen.lat/api-payment/"),
    ("payzen-brasil", "https://api.payzen.com.br/api-payment/"),
    ("payzen-india", "https://secure.payzen.co.in/api-payment/"),
    ("cobroinmediato", "https://api.cobroinmediato.tech/api-payment/"),
    ("payty", "https://api.payty.com/api-payment/"),
    ("monetico-retail", "https://api.gateway.monetico-retail.com/api-payment/"),
];

/// Brands of Latin America, whose shops may have contracts for more currencies.
pub(super) const LATIN_AMERICA: [&str; 4] =
    ["micuentaweb", "payzen-latam", "payzen-brasil", "cobroinmediato"];

/// The platform's word for a mode, in envelopes and notifications.
pub(super) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Test => "TEST",
        Mode::Live => "PRODUCTION",
    }
}

/// The keys an account may have besides those common to all.
const KEYS: [&str; 4] = ["shop_id", "password", "previous_password", "base_url"];

/// One shop in one mode.
pub(super) struct Settings {
    /// The white-label, when named.
    pub(super) brand: Option<String>,
    /// Where the services are, ending in `/`.
    pub(super) base_url: String,
    /// The shop's number, 8 digits.
    pub(super) shop_id: String,
    /// Test or live, as the password says.
    pub(super) mode: Mode,
    pub(super) password: SecretString,
    /// Still accepted on notifications while a password is being changed.
    pub(super) previous_password: Option<SecretString>,
}

/// Never shows a password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("brand", &self.brand)
            .field("base_url", &self.base_url)
            .field("shop_id", &self.shop_id)
            .field("mode", &self.mode)
            .field("previous_password", &self.previous_password.is_some())
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads and checks the settings of one account.
    pub(super) fn read(account: &AccountSettings) -> Result<Self, Vec<KeyError>> {
        let mut problems = account.reject_unknown(&KEYS).err().unwrap_or_default();
        let brand = keep(account.brand(), &mut problems).flatten();
        let base_url = keep(base_url(account, brand.as_deref()), &mut problems);
        let shop_id = keep(shop_id(account), &mut problems);
        let password = keep(account.required_secret("password"), &mut problems);
        let previous_password = keep(account.secret("previous_password"), &mut problems).flatten();
        let mode = password.as_ref().and_then(|password| keep(mode(account, password), &mut problems));
        match (base_url, shop_id, password, mode) {
            (Some(base_url), Some(shop_id), Some(password), Some(mode)) if problems.is_empty() => {
                Ok(Self { brand, base_url, shop_id, mode, password, previous_password })
            }
            _ => Err(problems),
        }
    }

    /// The header that proves who asks, marked sensitive. `None` when it cannot be written as a header.
    pub(super) fn authorization(&self) -> Option<HeaderValue> {
        let pair = format!("{}:{}", self.shop_id, self.password.expose_secret());
        let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Server, shop and mode: the same number at two brands is two shops.
    pub(super) fn identity(&self) -> String {
        format!("{} {} {}", self.base_url, self.shop_id, self.mode.as_str())
    }
}

fn keep<T>(result: Result<T, KeyError>, problems: &mut Vec<KeyError>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn base_url(account: &AccountSettings, brand: Option<&str>) -> Result<String, KeyError> {
    if let Some(url) = account.provider_url("base_url")? {
        return Ok(if url.ends_with('/') { url } else { format!("{url}/") });
    }
    let Some(brand) = brand else {
        return Err(account.error("brand", "is missing; name the brand, or the server as `base_url`"));
    };
    match BRANDS.iter().find(|(id, _)| *id == brand) {
        Some((_, url)) => Ok((*url).to_owned()),
        None => {
            let nearest = BRANDS.iter().map(|(id, _)| *id).min_by_key(|id| strsim::levenshtein(id, brand));
            let known = BRANDS.map(|(id, _)| id).join(", ");
            let hint = nearest.unwrap_or_default();
            Err(account.error(
                "brand",
                format!("is no brand known here; did you mean `{hint}`? Known: {known}; or give `base_url`"),
            ))
        }
    }
}

fn shop_id(account: &AccountSettings) -> Result<String, KeyError> {
    let shop_id = account.required_text("shop_id")?;
    if shop_id.len() == 8 && shop_id.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(shop_id)
    } else {
        Err(account.error("shop_id", "must be the 8 digits of the shop, as text"))
    }
}

fn mode(account: &AccountSettings, password: &SecretString) -> Result<Mode, KeyError> {
    let password = password.expose_secret();
    let by_password = if password.starts_with("testpassword_") {
        Some(Mode::Test)
    } else if password.starts_with("prodpassword_") {
        Some(Mode::Live)
    } else {
        None
    };
    let named = account.mode()?;
    match (by_password, named) {
        (Some(told), Some(named)) if told != named => {
            Err(account.error("mode", "contradicts the password, which is of the other mode"))
        }
        (Some(mode), _) | (None, Some(mode)) => Ok(mode),
        (None, None) => Err(account.error(
            "mode",
            "is missing; the password starts with neither `testpassword_` nor `prodpassword_`, so say `test` or `live`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::DESCRIPTION, *};
    use guichet_port::adapter::AdapterContext;

    const PASSWORD: &str = "testpassword_DEMOPRIVATEKEY23G4475zXZQ2UA5x7M";

    fn settings(pairs: &[(&str, &str)]) -> Result<Settings, Vec<KeyError>> {
        Settings::read(&AccountSettings::from_pairs("shop", "lyra", pairs.iter().copied()))
    }

    #[test]
    fn the_basic_header_is_the_published_one_and_hidden() {
        for (shop, password, header) in [
            (
                "69876357",
                PASSWORD,
                "Basic Njk4NzYzNTc6dGVzdHBhc3N3b3JkX0RFTU9QUklWQVRFS0VZMjNHNDQ3NXpYWlEyVUE1eDdN",
            ),
            (
                "12345678",
                "prodpassword_EXAMPLEonly0000000000000000000000000",
                "Basic MTIzNDU2Nzg6cHJvZHBhc3N3b3JkX0VYQU1QTEVvbmx5MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMA==",
            ),
        ] {
            let settings =
                settings(&[("brand", "systempay"), ("shop_id", shop), ("password", password)]).unwrap();
            let value = settings.authorization().unwrap();
            assert_eq!(value.to_str().unwrap(), header);
            assert!(value.is_sensitive());
            assert!(!format!("{settings:?} {value:?}").contains("password_"));
        }
    }

    #[test]
    fn settings_are_checked_key_by_key() {
        let good = [("brand", "systempay"), ("shop_id", "69876357"), ("password", PASSWORD)];
        let read = settings(&good).unwrap();
        assert_eq!(read.identity(), "https://api.systempay.fr/api-payment/ 69876357 test");
        let own = [
            ("base_url", "http://127.0.0.1:9/x"),
            ("shop_id", "69876357"),
            ("password", "other"),
            ("mode", "live"),
        ];
        assert_eq!(settings(&own).unwrap().identity(), "http://127.0.0.1:9/x/ 69876357 live");
        for (key, value, named) in [
            ("shop_id", "6987635", "accounts.shop.shop_id"),
            ("brand", "systempai", "accounts.shop.brand"),
            ("mode", "live", "accounts.shop.mode"),
            ("password", "opaque", "accounts.shop.mode"),
            ("shopid", "1", "accounts.shop.shopid"),
            ("base_url", "http://example.com/", "accounts.shop.base_url"),
        ] {
            let pairs: Vec<_> =
                good.iter().copied().filter(|(name, _)| *name != key).chain([(key, value)]).collect();
            let problems = settings(&pairs).unwrap_err();
            assert!(problems.iter().any(|problem| problem.key() == named), "{key}: {problems:?}");
        }
        let context =
            AdapterContext::new("http://127.0.0.1:8080", Duration::from_secs(1), Duration::from_secs(1));
        let account = AccountSettings::from_pairs("shop", "lyra", good);
        let adapter = (DESCRIPTION.build)(&"shop".parse().unwrap(), &account, &context).unwrap();
        assert!(!format!("{adapter:?}").contains("DEMOPRIVATEKEY"));
        for (reference, accepted) in [
            ("d63e7f507a6f4dfa86cb40a833ecfd85", true),
            ("D63e7f507a6f4dfa86cb40a833ecfd85", false),
            ("d63e7f507a6f4dfa86cb40a833ecfd8", false),
        ] {
            assert_eq!(adapter.accepts_reference(&reference.parse().unwrap()), accepted, "{reference}");
        }
    }
}
