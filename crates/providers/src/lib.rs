//! One folder per provider platform, and the list of them.

use guichet_port::adapter::ProviderDescription;

pub mod lyra;
pub mod sips;
pub mod yabandpay;

/// Every platform this guichet speaks.
pub fn all() -> Vec<ProviderDescription> {
    vec![lyra::DESCRIPTION, sips::DESCRIPTION, yabandpay::DESCRIPTION]
}
