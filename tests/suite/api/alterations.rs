//! Altered notifications: whatever is changed on the way, it is refused or says the very same.

use std::{collections::BTreeMap, time::Duration};

use guichet::{
    adapter::{AdapterContext, Notification, ProviderAdapter, RawNotification, Registry},
    config::AccountSettings,
};
use guichet_simulator::{PayerAction, RunningSimulators, SimulatorOptions};
use rand::{Rng, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::rig::{Rig, crypto, new_order};

/// Alterations of each provider's notification; together 10,002.
const ALTERATIONS: u32 = 3_334;

fn adapters(simulators: &RunningSimulators) -> Registry {
    let accounts: BTreeMap<String, AccountSettings> = crate::rig::accounts(simulators);
    let context = AdapterContext::new("http://127.0.0.1:1", Duration::from_secs(1), Duration::from_secs(1));
    Registry::build(&accounts, &guichet_providers::all(), &context).unwrap()
}

/// One byte flipped, lost, doubled, or two swapped, or a piece moved.
fn altered(genuine: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut body = genuine.to_vec();
    let at = random.random_range(0..body.len());
    match random.random_range(0..5) {
        0 => body[at] ^= 1 << random.random_range(0..8),
        1 => drop(body.remove(at)),
        2 => body.insert(at, body[at]),
        3 => {
            let other = random.random_range(0..body.len());
            body.swap(at, other);
        }
        _ => body.rotate_left(at),
    }
    body
}

/// What a payment of an order made here is told by, as the platform would send it.
async fn told(rig: &Rig, account: &str, provider: &str, brand: &str) -> (String, Vec<u8>) {
    let mut body = new_order(&format!("told-{account}"));
    body["account"] = json!(account);
    let made: Value = rig.create(&format!("key-{account}"), &body).await.json;
    let order = made["provider_reference"].as_str().unwrap_or_else(|| panic!("{made}"));
    rig.control.payer(provider, brand, order, PayerAction::Pay).unwrap();
    let notice = rig.control.notices().into_iter().rfind(|notice| notice.order == order).unwrap();
    (notice.content_type, notice.body.into_bytes())
}

#[tokio::test]
async fn an_altered_notification_is_refused_or_says_the_same() {
    crypto();
    let rig = Rig::new().await;
    let simulators = guichet_simulator::start(SimulatorOptions::default()).await.unwrap();
    let registry = adapters(&simulators);
    let seed = 20_261_123;
    for (account, provider, brand) in [
        ("systempay", "lyra", "systempay"),
        ("sherlocks", "sips", "sherlocks"),
        ("yabandpay", "yabandpay", "yabandpay"),
    ] {
        let (content_type, genuine) = told(&rig, account, provider, brand).await;
        let adapter = &registry.account(&account.parse().unwrap()).unwrap().adapter;
        let read = |body: &[u8]| -> Option<Notification> {
            let raw =
                RawNotification { content_type: Some(content_type.clone()), body: body.to_vec().into() };
            ProviderAdapter::verify_notification(&**adapter, &raw).ok()
        };
        let truth = read(&genuine).unwrap_or_else(|| panic!("{account}: the genuine one is refused"));
        let mut random = StdRng::seed_from_u64(seed);
        let mut refused = 0;
        for number in 0..ALTERATIONS {
            let body = altered(&genuine, &mut random);
            match read(&body) {
                None => refused += 1,
                Some(said) => assert_eq!(said, truth, "{account}, alteration {number} of seed {seed}"),
            }
        }
        assert!(refused > ALTERATIONS / 2, "{account}: {refused} of {ALTERATIONS} refused");
    }
}
