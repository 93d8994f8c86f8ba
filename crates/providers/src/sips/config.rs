//! The settings of one shop: where it lives, its number, its key, how its transactions are named.

use std::fmt;

use secrecy::SecretString;

use super::signature::SealAlgorithm;
use guichet_port::{
    adapter::{AccountSettings, KeyError},
    domain::Mode,
};

/// One white-label of the platform and its hosts. `None`: not published, so the account names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brand {
    /// Its name in the configuration.
    pub id: &'static str,
    /// Cash management and diagnostic, production.
    pub office_live: Option<&'static str>,
    /// The same, test.
    pub office_test: Option<&'static str>,
    /// Opening of payment pages, production.
    pub page_live: Option<&'static str>,
    /// The same, test.
    pub page_test: Option<&'static str>,
}

/// Every brand. Sources: the brands' documentation (Office JSON guides and cancel page, 2.55; Paypage JSON guides,
/// release 25.2); the pages of Mercanet, Sogenactif and Scellius and the test hosts of Sherlock's and of Sogenactif's pages
/// are those of published third-party clients. Less certain: Sogenactif's production office, which follows the pattern of the
/// others, and Mercanet's pages, which may have moved to `mercanet.com` as its office did. Every
/// brand has a simulator of pages too, such as Mercanet's `payment-webinit.simu.mercanet.bnpparibas.net`. It keeps no
/// transactions, so that nothing could be read or canceled afterwards: no environment stands for it, and `paypage_url`
/// may name it. No office of Scellius is published, nor a page of its tests.
pub const BRANDS: [Brand; 5] = [
    Brand {
        id: "sherlocks",
        office_live: Some("https://sherlocks-office-server.secure.lcl.fr"),
        office_test: Some("https://office-server-sherlocks.test.sips-services.com"),
        page_live: Some("https://sherlocks-payment-webinit.secure.lcl.fr"),
        page_test: Some("https://payment-webinit-sherlocks.test.sips-services.com"),
    },
    Brand {
        id: "mercanet",
        office_live: Some("https://office-server.mercanet.com"),
        office_test: Some("https://office-server-mercanet.test.sips-services.com"),
        page_live: Some("https://payment-webinit.mercanet.bnpparibas.net"),
        page_test: Some("https://payment-webinit-mercanet.test.sips-services.com"),
    },
    Brand {
        id: "sogenactif",
        office_live: Some("https://office-server.sogenactif.com"),
        office_test: Some("https://office-server-sogenactif.test.sips-services.com"),
        page_live: Some("https://payment-webinit.sogenactif.com"),
        page_test: Some("https://payment-webinit-sogenactif.test.sips-services.com"),
    },
    Brand {
        id: "scellius",
        office_live: None,
        office_test: None,
        page_live: Some("https://payment-webinit.scellius.labanquepostale.fr"),
        page_test: None,
    },
    Brand {
        id: "worldline-sips",
        office_live: Some("https://office-server.sips-services.com"),
        office_test: Some("https://office-server.test.sips-services.com"),
        page_live: Some("https://payment-webinit.sips-services.com"),
        page_test: Some("https://payment-webinit.test.sips-services.com"),
    },
];

/// The keys an account may have besides those common to all.
const KEYS: [&str; 13] = [
    "environment",
    "office_url",
    "paypage_url",
    "merchant_id",
    "key_version",
    "secret_key",
    "seal_algorithm",
    "reference_by",
    "cash_interface_version",
    "diagnostic_interface_version",
    "page_interface_version",
    "previous_secret_key",
    "previous_key_version",
];

/// How the transactions of a shop are named, a setting of the merchant at the platform (cancel page, 2.55,
/// `s10TransactionReference`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReferenceBy {
    /// By `transactionReference`, made by the merchant.
    Merchant,
    /// By `transactionReference`, made by the platform: it is not known before the payer has paid.
    Platform,
    /// By the pair of version 1.0, whose day the platform sets.
    S10,
}

/// A secret with the version the platform knows it by.
#[derive(Clone)]
pub(super) struct Key {
    /// `keyVersion`.
    pub(super) version: String,
    /// The text of the secret.
    pub(super) secret: SecretString,
}

/// Never shows the secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("version", &self.version).finish_non_exhaustive()
    }
}

/// One shop in one environment.
#[derive(Debug)]
pub(super) struct Settings {
    /// The white-label, when named.
    pub(super) brand: Option<String>,
    /// Cash management and diagnostic, without a slash at the end.
    pub(super) office_url: String,
    /// Opening of payment pages, without a slash at the end; without it no order can be made.
    pub(super) page_url: Option<String>,
    /// Test or live.
    pub(super) mode: Mode,
    /// The shop's number, 15 digits.
    pub(super) merchant_id: String,
    /// What is sealed with.
    pub(super) key: Key,
    /// Still accepted on notifications while a key is being changed. Its version may be unknown, then it is empty.
    pub(super) previous_key: Option<Key>,
    /// How.
    pub(super) algorithm: SealAlgorithm,
    /// How transactions are named.
    pub(super) reference_by: ReferenceBy,
    /// `interfaceVersion` of cash management.
    pub(super) cash_version: String,
    /// `interfaceVersion` of the diagnostic.
    pub(super) diagnostic_version: String,
    /// `interfaceVersion` of the page.
    pub(super) page_version: String,
}

impl Settings {
    /// Reads and checks the settings of one account.
    pub(super) fn read(account: &AccountSettings) -> Result<Self, Vec<KeyError>> {
        let mut problems = account.reject_unknown(&KEYS).err().unwrap_or_default();
        let brand = keep(account.brand(), &mut problems).flatten();
        let row = keep(find(account, brand.as_deref()), &mut problems).flatten();
        let mode = keep(mode(account), &mut problems);
        let hosts = row.zip(mode).map(|(row, mode)| match mode {
            Mode::Test => (row.office_test, row.page_test),
            Mode::Live => (row.office_live, row.page_live),
        });
        let (office, page) = hosts.unwrap_or((None, None));
        let office_url = keep(host(account, "office_url", office), &mut problems);
        let page_url = keep(host(account, "paypage_url", page), &mut problems);
        if matches!(office_url, Some(None)) && mode.is_some() && (brand.is_none() || row.is_some()) {
            let wrong = match &brand {
                Some(_) => "is missing; this brand's host is not known here",
                None => "is missing; name the brand, or the host as `office_url`",
            };
            problems.push(account.error("office_url", wrong));
        }
        let merchant_id = keep(digits(account, "merchant_id", 15..=15), &mut problems).flatten();
        if merchant_id.is_none() && account.text("merchant_id").is_ok_and(|id| id.is_none()) {
            problems.push(account.error("merchant_id", "is missing"));
        }
        let key_version = keep(digits(account, "key_version", 1..=10), &mut problems).flatten();
        let secret = keep(account.required_secret("secret_key"), &mut problems);
        let previous_version = keep(digits(account, "previous_key_version", 1..=10), &mut problems).flatten();
        let previous = keep(account.secret("previous_secret_key"), &mut problems).flatten();
        if previous_version.is_some() && previous.is_none() {
            problems
                .push(account.error("previous_key_version", "does nothing without `previous_secret_key`"));
        }
        let algorithm = keep(algorithm(account), &mut problems);
        let reference_by = keep(reference_by(account), &mut problems);
        let cash = keep(version(account, "cash_interface_version", "CR_WS_"), &mut problems);
        let diagnostic = keep(version(account, "diagnostic_interface_version", "DR_WS_"), &mut problems);
        let page_version = keep(version(account, "page_interface_version", "IR_WS_"), &mut problems);
        let previous_key =
            previous.map(|secret| Key { version: previous_version.unwrap_or_default(), secret });
        let complete = || {
            let version = key_version.unwrap_or_else(|| "1".to_owned());
            Some(Self {
                brand,
                office_url: office_url??,
                page_url: page_url?,
                mode: mode?,
                merchant_id: merchant_id?,
                key: Key { version, secret: secret? },
                previous_key,
                algorithm: algorithm?,
                reference_by: reference_by?,
                cash_version: cash?,
                diagnostic_version: diagnostic?,
                page_version: page_version?,
            })
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        complete().ok_or_else(|| vec![account.error("", "cannot be read")])
    }

    /// Host, shop and environment. How transactions are named is not part of it: it would give one order two ids.
    pub(super) fn identity(&self) -> String {
        format!("{} {} {}", self.office_url, self.merchant_id, self.mode.as_str())
    }
}

fn keep<T>(result: Result<T, KeyError>, problems: &mut Vec<KeyError>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn find(account: &AccountSettings, brand: Option<&str>) -> Result<Option<Brand>, KeyError> {
    let Some(brand) = brand else { return Ok(None) };
    let found = BRANDS.into_iter().find(|row| row.id == brand);
    if found.is_some() || account.text("office_url").is_ok_and(|url| url.is_some()) {
        return Ok(found);
    }
    let nearest = BRANDS.iter().map(|row| row.id).min_by_key(|id| strsim::levenshtein(id, brand));
    let known = BRANDS.map(|row| row.id).join(", ");
    let hint = nearest.unwrap_or_default();
    Err(account.error(
        "brand",
        format!("is no brand known here; did you mean `{hint}`? Known: {known}; or give `office_url`"),
    ))
}

/// `environment`; `mode`, which every account may have, says the same.
fn mode(account: &AccountSettings) -> Result<Mode, KeyError> {
    match (account.mode_at("environment")?, account.mode()?) {
        (Some(environment), Some(mode)) if environment != mode => {
            Err(account.error("mode", "contradicts `environment`"))
        }
        (Some(mode), _) | (None, Some(mode)) => Ok(mode),
        (None, None) => Err(account.error("environment", "is missing; say `test` or `live`")),
    }
}

/// The account's own host, which may have a path before the service's, or the brand's.
fn host(
    account: &AccountSettings,
    key: &str,
    of_brand: Option<&'static str>,
) -> Result<Option<String>, KeyError> {
    let url = account.provider_url(key)?.or_else(|| of_brand.map(str::to_owned));
    Ok(url.map(|url| url.trim_end_matches('/').to_owned()))
}

/// Digits as text, so many of them (data dictionary: N15, N10).
fn digits(
    account: &AccountSettings,
    key: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<Option<String>, KeyError> {
    let Some(text) = account.text(key)? else { return Ok(None) };
    if length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(Some(text));
    }
    let wrong = if length.start() == length.end() {
        format!("must be {} digits, as text", length.end())
    } else {
        format!("must be {} to {} digits, as text", length.start(), length.end())
    };
    Err(account.error(key, wrong))
}

fn algorithm(account: &AccountSettings) -> Result<SealAlgorithm, KeyError> {
    let Some(word) = account.text("seal_algorithm")? else { return Ok(SealAlgorithm::HmacSha256) };
    SealAlgorithm::from_word(&word).ok_or_else(|| {
        let known = SealAlgorithm::ALL.map(SealAlgorithm::as_str).join(", ");
        account.error("seal_algorithm", format!("must be one of {known}"))
    })
}

fn reference_by(account: &AccountSettings) -> Result<ReferenceBy, KeyError> {
    match account.text("reference_by")?.as_deref() {
        None | Some("merchant") => Ok(ReferenceBy::Merchant),
        Some("platform") => Ok(ReferenceBy::Platform),
        Some("s10") => Ok(ReferenceBy::S10),
        Some(_) => Err(account.error("reference_by", "must be `merchant`, `platform` or `s10`")),
    }
}

/// `CR_WS_2.55` and the like; 2.55 is what the cancel page recommends.
fn version(account: &AccountSettings, key: &str, prefix: &str) -> Result<String, KeyError> {
    let Some(text) = account.text(key)? else { return Ok(format!("{prefix}2.55")) };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = text.strip_prefix(prefix).and_then(|rest| rest.split_once('.'));
    if numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor)) {
        return Ok(text);
    }
    Err(account.error(key, format!("must be such as {prefix}2.55")))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("brand", "sherlocks"),
        ("environment", "test"),
        ("merchant_id", "002001000000001"),
        ("secret_key", "002001000000001_KEY1"),
    ];

    fn read(pairs: &[(&str, &str)]) -> Result<Settings, Vec<KeyError>> {
        Settings::read(&AccountSettings::from_pairs("shop", "sips", pairs.iter().copied()))
    }

    fn with(changes: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
        let is_kept = |name: &str| !changes.iter().any(|(changed, _)| *changed == name);
        let kept = GOOD.into_iter().filter(|(name, _)| is_kept(name));
        kept.chain(changes.iter().copied().filter(|(_, value)| !value.is_empty())).collect()
    }

    #[test]
    fn defaults_are_those_of_the_documentation() {
        let settings = read(&GOOD).unwrap();
        assert_eq!(settings.office_url, "https://office-server-sherlocks.test.sips-services.com");
        let page = "https://payment-webinit-sherlocks.test.sips-services.com";
        assert_eq!(settings.page_url.as_deref(), Some(page));
        assert_eq!((settings.key.version.as_str(), settings.algorithm), ("1", SealAlgorithm::HmacSha256));
        assert_eq!(settings.reference_by, ReferenceBy::Merchant);
        let versions = [&settings.cash_version, &settings.diagnostic_version, &settings.page_version];
        assert_eq!(versions, ["CR_WS_2.55", "DR_WS_2.55", "IR_WS_2.55"]);
        let host = "https://office-server-sherlocks.test.sips-services.com";
        assert_eq!(settings.identity(), format!("{host} 002001000000001 test"));
    }

    #[test]
    fn own_hosts_come_over_the_brands_and_keep_their_path() {
        let settings = read(&with(&[
            ("office_url", "http://127.0.0.1:8090/sips/sherlocks"),
            ("paypage_url", "http://127.0.0.1:8090/sips/sherlocks/"),
        ]))
        .unwrap();
        assert_eq!(settings.office_url, "http://127.0.0.1:8090/sips/sherlocks");
        assert_eq!(settings.page_url.as_deref(), Some("http://127.0.0.1:8090/sips/sherlocks"));
        let foreign = with(&[("brand", "citelis"), ("office_url", "https://office.example")]);
        let settings = read(&foreign).unwrap();
        assert_eq!((settings.office_url.as_str(), settings.page_url), ("https://office.example", None));
        let bare = with(&[("brand", ""), ("office_url", "https://office.example")]);
        assert_eq!(read(&bare).unwrap().office_url, "https://office.example");
    }

    #[test]
    fn every_brand_gives_its_hosts() {
        for brand in BRANDS {
            for (environment, office, page) in
                [("test", brand.office_test, brand.page_test), ("live", brand.office_live, brand.page_live)]
            {
                let result = read(&with(&[("brand", brand.id), ("environment", environment)]));
                match (office, result) {
                    (Some(office), Ok(settings)) => {
                        assert_eq!(settings.office_url, office);
                        assert_eq!(settings.page_url.as_deref(), page);
                        assert!(
                            [Some(office), page]
                                .into_iter()
                                .flatten()
                                .all(|url| { url.starts_with("https://") && !url.ends_with('/') })
                        );
                    }
                    (None, Err(problems)) => {
                        assert_eq!(problems[0].key(), "accounts.shop.office_url", "{}", brand.id);
                    }
                    (_, other) => panic!("{} {environment}: {other:?}", brand.id),
                }
            }
        }
    }

    #[test]
    fn settings_are_checked_key_by_key() {
        for (changes, named) in [
            (&[("merchant_id", "2001000000001")][..], "merchant_id"),
            (&[("merchant_id", "00200100000000x")], "merchant_id"),
            (&[("merchant_id", "")], "merchant_id"),
            (&[("secret_key", "")], "secret_key"),
            (&[("key_version", "one")], "key_version"),
            (&[("key_version", "12345678901")], "key_version"),
            (&[("previous_key_version", "1")], "previous_key_version"),
            (&[("environment", "")], "environment"),
            (&[("environment", "prod")], "environment"),
            (&[("mode", "live")], "mode"),
            (&[("brand", "sherlock")], "brand"),
            (&[("brand", "")], "office_url"),
            (&[("brand", "scellius")], "office_url"),
            (&[("office_url", "http://office.example")], "office_url"),
            (&[("seal_algorithm", "SHA256")], "seal_algorithm"),
            (&[("reference_by", "us")], "reference_by"),
            (&[("cash_interface_version", "DR_WS_2.55")], "cash_interface_version"),
            (&[("diagnostic_interface_version", "DR_WS_2")], "diagnostic_interface_version"),
            (&[("page_interface_version", "IR_WS_3.x")], "page_interface_version"),
            (&[("merchantid", "1")], "merchantid"),
        ] {
            let problems = read(&with(changes)).unwrap_err();
            let key = format!("accounts.shop.{named}");
            assert!(problems.iter().any(|problem| problem.key() == key), "{named}: {problems:?}");
        }
    }

    #[test]
    fn no_key_is_ever_shown() {
        let settings =
            read(&with(&[("previous_secret_key", "the_old_KEY0"), ("previous_key_version", "0")])).unwrap();
        assert_eq!(settings.previous_key.as_ref().unwrap().secret.expose_secret(), "the_old_KEY0");
        let shown = format!("{settings:?}");
        assert!(!shown.contains("KEY"), "{shown}");
    }
}
