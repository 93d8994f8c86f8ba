//! The shops of the sandbox, one per brand, with what their contracts cover.

/// A shop of the simulated platform. The credentials are open to everyone and worth nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoShop {
    /// Brand, the second segment of the path.
    pub brand: &'static str,
    /// Shop identifier, the user name of the REST credentials.
    pub shop_id: &'static str,
    /// Password of the TEST mode.
    pub password: &'static str,
    /// Password of the PRODUCTION mode; each mode sees only its own orders.
    pub production_password: &'static str,
    /// `applicationProvider` of the answers.
    pub application_provider: &'static str,
    /// Name in the messages to payers.
    pub store_name: &'static str,
    /// Language when a request names none.
    pub locale: &'static str,
    /// Currencies that the contract covers.
    pub currencies: &'static [&'static str],
    /// Whether WhatsApp is configured.
    pub whats_app: bool,
    /// Currencies that the data collection form can be used with; empty when the shop has no such form.
    pub data_form_currencies: &'static [&'static str],
    /// Whether the sandbox has an account for it.
    pub in_sandbox: bool,
}

/// All shops. The first one's shop and test password are the demo values that Lyra publishes; the rest is invented.
/// `applicationProvider`: provider pages `Charge/PaymentOrder/Update` (NPS) and `/Get` of EpayNC (CSB).
pub const DEMO_SHOPS: [DemoShop; 3] = [
    DemoShop {
        brand: "systempay",
        shop_id: "69876357",
        password: "testpassword_DEMOPRIVATEKEY23G4475zXZQ2UA5x7M",
        production_password: "prodpassword_SIMULATORSYSTEMPAY0000000000000000000",
        application_provider: "NPS",
        store_name: "DEMO STORE",
        locale: "fr_FR",
        currencies: &["EUR", "USD", "GBP", "CHF"],
        whats_app: true,
        data_form_currencies: &["EUR"],
        in_sandbox: true,
    },
    DemoShop {
        brand: "epaync",
        shop_id: "73239078",
        password: "testpassword_SIMULATOREPAYNC0000000000000000000",
        production_password: "prodpassword_SIMULATOREPAYNC0000000000000000000",
        application_provider: "CSB",
        store_name: "DEMO STORE",
        locale: "fr_FR",
        currencies: &["XPF", "EUR"],
        whats_app: false,
        data_form_currencies: &[],
        in_sandbox: true,
    },
    DemoShop {
        brand: "micuentaweb",
        shop_id: "88776655",
        password: "testpassword_SIMULATORMICUENTAWEB00000000000000",
        production_password: "prodpassword_SIMULATORMICUENTAWEB00000000000000",
        application_provider: "PERU",
        store_name: "DEMO STORE",
        locale: "es_PE",
        currencies: &["PEN", "USD", "CLP", "CRC", "GTQ", "HNL", "NIO", "SVC", "UYU"],
        whats_app: false,
        data_form_currencies: &[],
        in_sandbox: false,
    },
];

/// The shop of a brand.
pub fn demo_shop(brand: &str) -> Option<DemoShop> {
    DEMO_SHOPS.into_iter().find(|shop| shop.brand == brand)
}

/// TEST or PRODUCTION: the password decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Test,
    Production,
}

impl Mode {
    /// The platform's word, `orderDetails.mode`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Test => "TEST",
            Self::Production => "PRODUCTION",
        }
    }

    /// The mode of this word.
    pub(super) fn named(word: &str) -> Option<Self> {
        [Self::Test, Self::Production].into_iter().find(|mode| mode.word() == word)
    }

    pub(super) fn other(self) -> Self {
        match self {
            Self::Test => Self::Production,
            Self::Production => Self::Test,
        }
    }
}

impl DemoShop {
    /// The REST password of the mode, which signs notifications too.
    pub(super) fn secret(&self, mode: Mode) -> &'static str {
        match mode {
            Mode::Test => self.password,
            Mode::Production => self.production_password,
        }
    }

    /// The mode that these credentials open, if they are right.
    pub(super) fn mode(&self, shop_id: &str, password: &str) -> Option<Mode> {
        if shop_id != self.shop_id {
            None
        } else if password == self.password {
            Some(Mode::Test)
        } else if password == self.production_password {
            Some(Mode::Production)
        } else {
            None
        }
    }
}
