//! Where the payer's browser goes back to: checked when the order is made, for nobody can correct it when the payer has
//! paid.

use serde_json::{Value, json};

use crate::{
    documented::validator,
    rig::{Rig, new_order, path},
};

const RIGHT: &[&str] = &[
    "https://shop.example",
    "https://shop.example/",
    "http://localhost:3000/back",
    "http://127.0.0.1:8080/docs",
    "http://[::1]:8080/back",
    "https://shop.example/back?order=42&lang=fr",
    "https://shop.example?order=42",
    "https://Shop.Example/Back/Ordre_42.html",
    "HTTPS://SHOP.EXAMPLE/BACK",
    "https://shop.example/#/orders/42",
    "https://shop.example/caf%C3%A9/@me/a:b;c=d,(e)!*'~$+",
    "https://my_shop.internal.example:65535/x",
    "https://xn--caf-dma.example/",
    "https://shop.example./",
];
const WRONG: &[&str] = &[
    "",
    "shop.example",
    "/back",
    "//shop.example/back",
    "ftp://shop.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "https:shop.example",
    "https:/shop.example",
    "https://",
    "https:///back",
    "https://shop.example/back\n",
    "https://shop.example/back\r\nSet-Cookie: a=b",
    "\nhttps://shop.example/back",
    " https://shop.example/back",
    "https://shop.example/back ",
    "https://shop.example/a b",
    "https://shop.example/\tback",
    "https://shop.example/\u{0}",
    "https://shop.example/\u{7f}",
    "https://shop.example/café",
    "https://café.example/",
    "https://shop.example\\back",
    "https://user@shop.example/",
    "https://user:secret@shop.example/",
    "https://:secret@shop.example/",
    "https://@shop.example/",
    "https://shop..example/",
    "https://.example/",
    "https://sh%6fp.example/",
    "https://shop!.example/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://127.0.0.256/",
    "https://shop.example:65536/",
    "https://shop.example:port/",
    "https://shop.example:-1/",
    "https://[::g]/",
    "https://[::1/",
];

fn body(address: &str) -> Value {
    let mut body = new_order("cart-1");
    body["return_url"] = address.into();
    body
}

#[tokio::test]
async fn an_address_that_no_browser_could_be_sent_to_is_refused() {
    let rig = Rig::new().await;
    let long = format!("https://shop.example/{}", "x".repeat(1_004));
    assert_eq!(long.len(), 1_025);
    for address in WRONG.iter().copied().chain([long.as_str()]) {
        let reply = rig.create("k", &body(address)).await;
        assert_eq!(reply.problem(), (400, "validation_failed"), "{address:?}");
        assert_eq!(reply.pointer(), Some("/return_url"), "{address:?}");
        let reply = rig.patch(&path(), &[], &json!({"return_url": address})).await;
        assert_eq!((reply.status, reply.pointer()), (400, Some("/return_url")), "{address:?}");
    }
    for pointless in [json!(7), json!(["https://shop.example/"]), json!({"url": "https://shop.example/"})] {
        let mut body = new_order("cart-1");
        body["return_url"] = pointless.clone();
        let reply = rig.create("k", &body).await;
        assert_eq!((reply.status, reply.pointer()), (400, Some("/return_url")), "{pointless}");
    }
    assert_eq!(rig.changes_sent(), 0);
    for (number, address) in RIGHT.iter().copied().chain([&long[..1_024]]).enumerate() {
        let mut body = body(address);
        body["merchant_reference"] = format!("cart-{number}").into();
        let reply = rig.create(&format!("k{number}"), &body).await;
        assert_eq!(reply.status, 201, "{address:?}: {reply:?}");
    }
}

/// Both rules are written twice, in code and as a pattern: they agree about every small change of these addresses. What an
/// IPv6 address and Punycode must be no pattern says.
#[test]
fn the_pattern_is_the_rule() {
    let pattern =
        &crate::documented::DOCUMENT["components"]["schemas"]["NewOrder"]["properties"]["return_url"];
    let pattern = jsonschema::validator_for(&json!({"pattern": pattern["pattern"]})).unwrap();
    let mut checked = 0;
    let mut check = |text: &str| {
        if text.contains('[') || text.to_ascii_lowercase().contains("xn--") {
            return;
        }
        let taken = guichet::domain::web_address::plain_web_address(text).is_ok();
        assert_eq!(pattern.is_valid(&json!(text)), taken, "{text:?}");
        checked += 1;
    };
    for address in RIGHT.iter().chain(WRONG) {
        let chars: Vec<char> = address.chars().collect();
        for at in 0..=chars.len() {
            let (before, after): (String, String) =
                (chars[..at].iter().collect(), chars[at..].iter().collect());
            let rest: String = chars[at..].iter().skip(1).collect();
            check(&format!("{before}{rest}"));
            for new in " \n\t\\@:/?#]%.-_!|\"09aZé\u{7f}".chars() {
                check(&format!("{before}{new}{after}"));
                check(&format!("{before}{new}{rest}"));
            }
        }
    }
    assert!(checked > 10_000, "{checked}");
}

/// A generated client refuses before it sends what the service refuses, and nothing else.
#[test]
fn the_document_takes_what_the_service_takes() {
    let order = validator(&json!({"$ref": "#/components/schemas/NewOrder"}));
    let patch = validator(&json!({"$ref": "#/components/schemas/OrderPatch"}));
    for (addresses, taken) in [(RIGHT, true), (WRONG, false)] {
        for address in addresses {
            assert_eq!(order.is_valid(&body(address)), taken, "{address:?}");
            assert_eq!(patch.is_valid(&json!({"return_url": address})), taken, "{address:?}");
        }
    }
    let endpoint = validator(&json!({"$ref": "#/components/schemas/NewWebhookEndpoint"}));
    for address in ["https://shop.example/hooks?a=b", "HTTPS://Shop.Example/@me", "https://10.0.0.1:8443"] {
        assert!(endpoint.is_valid(&json!({"url": address})), "{address}");
    }
    for address in [
        "https://user@shop.example/",
        "https://shop.example/#part",
        "https://shop.example/a b",
        "https://shop.example/back\n",
        "https:\\\\shop.example",
        "https://shop.example\\a",
        "ftp://shop.example/",
        "https://",
    ] {
        assert!(!endpoint.is_valid(&json!({"url": address})), "{address:?}");
    }
}
