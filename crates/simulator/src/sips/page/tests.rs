use std::time::Duration;

use serde_json::{Value, json};

use super::super::rig::{Bench, secret};
use super::super::seal::Algorithm;
use super::super::services::INIT;
use super::*;

/// Opens a page and gives its `redirectionData`.
async fn open(bench: &Bench, patch: Value) -> String {
    let answer = bench.call(INIT, patch).await;
    assert_eq!(answer["redirectionStatusCode"], "00", "{answer:?}");
    answer["redirectionData"].as_str().unwrap().to_owned()
}

async fn post(bench: &Bench, data: &str, action: &str) -> (u16, String) {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("redirectionVersion", "IR_WS_2.0").append_pair("redirectionData", data);
    if !action.is_empty() {
        form.append_pair("action", action);
    }
    let response = bench.rig.client.post(bench.url("paypage")).body(form.finish()).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
    rest.split('"').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&")
}

fn status(bench: &Bench, id: &str) -> Value {
    bench.rig.control.order("sips", "sherlocks", id).unwrap()["transactionStatus"].clone()
}

#[test]
fn values_cannot_become_markup() {
    assert_eq!(escaped("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
}

#[tokio::test]
async fn the_page_shows_the_payment_and_its_buttons_carry_it_on() {
    let bench = Bench::new().await;
    let data = open(&bench, json!({"transactionReference": "A1", "orderId": "<b>7</b>"})).await;
    let (code, page) = post(&bench, &data, "").await;
    assert_eq!((code, field(&page, "redirectionData")), (200, data));
    for text in
        ["simulator", "15.00 EUR", "&lt;b&gt;7&lt;/b&gt;", "Pay</button>", "Decline", "Leave", "Cancel"]
    {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("src=") && !page.contains("http"), "no outside resource");
    assert_eq!(bench.rig.control.total_requests(), 1, "the page is not a service call");
}

#[tokio::test]
async fn every_way_out_but_leaving_posts_a_sealed_result_back() {
    for (action, code, word, after) in [
        ("pay", "00", "pay", "TO_CAPTURE"),
        ("decline", "05", "decline", "REFUSED"),
        ("cancel", "17", "abort", "ABORTED"),
    ] {
        let bench = Bench::new().await;
        let data = open(&bench, json!({"transactionReference": "A1", "returnContext": "a\"b"})).await;
        let (_, page) = post(&bench, &data, action).await;
        assert!(page.contains("action=\"https://shop.example/back\"") && page.contains("submit()"), "{page}");
        let result = field(&page, "Data");
        assert!(result.contains(&format!("|responseCode={code}|")) && result.contains("a\"b"), "{result}");
        assert_eq!(field(&page, "Seal"), Algorithm::Sha256.seal(&result, &secret("002001000000001")));
        assert_eq!(status(&bench, "A1"), after);
        assert_eq!(bench.effects()[1], (word.to_owned(), Some(1500), 1500, after.to_owned()));
        let notices = bench.rig.control.notices();
        assert_eq!((notices.len(), notices[0].url.as_str()), (1, "https://shop.example/auto"));
        let (_, again) = post(&bench, &data, "pay").await;
        assert!(again.contains(&format!("status is {after}")));
        assert_eq!((bench.effects().len(), bench.rig.control.notices().len()), (2, 1), "a payment ends once");
        assert_eq!(bench.read("A1").await["responseCode"], code);
    }
}

#[tokio::test]
async fn leaving_changes_nothing() {
    let bench = Bench::new().await;
    let data = open(&bench, json!({"transactionReference": "A1"})).await;
    assert!(post(&bench, &data, "leave").await.1.contains("15 minutes"));
    assert_eq!((bench.effects().len(), bench.rig.control.notices().len()), (1, 0));
    post(&bench, &data, "pay").await;
    assert_eq!(status(&bench, "A1"), "TO_CAPTURE");
}

#[tokio::test]
async fn a_page_lives_15_minutes_without_action() {
    let bench = Bench::new().await;
    let data = open(&bench, json!({"transactionReference": "A1"})).await;
    bench.rig.control.advance(Duration::from_secs(14 * 60));
    assert!(post(&bench, &data, "").await.1.contains("Pay</button>"));
    bench.rig.control.advance(Duration::from_secs(14 * 60));
    assert!(post(&bench, &data, "").await.1.contains("Pay</button>"), "a visit keeps it open");
    bench.rig.control.advance(Duration::from_secs(15 * 60));
    let (code, page) = post(&bench, &data, "pay").await;
    assert!(code == 200 && page.contains("Nobody paid"));
    let late = bench.rig.control.payer("sips", "sherlocks", "A1", crate::PayerAction::Pay);
    assert!(late.is_err());
    assert_eq!(bench.read("A1").await["responseCode"], "25");
    bench.act("A1", "expire");
    assert_eq!(bench.read("A1").await["responseCode"], "97");
    assert!(bench.rig.control.notices()[0].body.contains("responseCode%3D97"));
}

#[tokio::test]
async fn other_visits_are_told_off() {
    let bench = Bench::new().await;
    let data = open(&bench, json!({"transactionReference": "A1"})).await;
    assert_eq!(post(&bench, "x", "").await.0, 404);
    assert_eq!(post(&bench, &data, "steal").await.0, 400);
    let url = bench.url("paypage");
    assert_eq!(bench.rig.client.get(&url).send().await.unwrap().status(), 405);
    let old = format!("redirectionVersion=IR_WS_1.0&redirectionData={data}");
    assert_eq!(bench.rig.client.post(&url).body(old).send().await.unwrap().status(), 404);
    assert_eq!(status(&bench, "A1"), "PAGE_OPEN");
}

/// A payment request of the POST channel, sealed with this key. The address of the demo shop's first brand.
async fn post_request(bench: &Bench, data: &str, interface: &str, key: &str) -> String {
    let seal = Algorithm::Sha256.seal(data, key);
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("Data", data).append_pair("Seal", &seal).append_pair("InterfaceVersion", interface);
    let response = bench.rig.client.post(bench.url("paymentInit")).body(form.finish()).send().await.unwrap();
    assert_eq!(response.status(), 200);
    response.text().await.unwrap()
}

#[tokio::test]
async fn a_payment_request_of_the_post_channel_opens_the_page() {
    let bench = Bench::new().await;
    let data = "merchantId=002001000000001|keyVersion=1|normalReturnURL=https://shop.example/?a=b=c|amount=1500|\
                currencyCode=978|transactionReference=A1|billingContact.email=a@b.example|paymentMeanBrandList=VISA,CB|\
                automaticResponseUrl=https://shop.example/auto|returnContext=x=1";
    let key = secret("002001000000001");
    let page = post_request(&bench, data, "HP_2.3", &key).await;
    assert!(page.contains("15.00 EUR"), "{page}");
    let opened = field(&page, "redirectionData");
    post(&bench, &opened, "pay").await;
    assert_eq!(status(&bench, "A1"), "TO_CAPTURE");
    let sent = bench.rig.control.notices().pop().unwrap();
    let fields: std::collections::HashMap<_, _> =
        url::form_urlencoded::parse(sent.body.as_bytes()).into_owned().collect();
    assert_eq!(fields["InterfaceVersion"], "HP_2.3");
    assert_eq!(fields["Seal"], Algorithm::Sha256.seal(&fields["Data"], &key), "the default of this channel");
    assert!(fields["Data"].contains("|returnContext=x=1|"));
    for (wrong, interface, key, said) in [
        (data.to_owned(), "HP_2.3", key.as_str(), "94"),
        (data.replace("A1", "A2"), "HP_2.3", "other", "34"),
        (data.replace("A1", "A2"), "IR_WS_2.3", key.as_str(), "12 interfaceVersion"),
        (data.replace("amount=", "colour="), "HP_2.3", key.as_str(), "12 colour"),
        (data.replace("002001000000001", "002001000000999"), "HP_2.3", key.as_str(), "03"),
        (data.replace("keyVersion=1", "keyVersion=7"), "HP_2.3", key.as_str(), "34"),
        ("nonsense".to_owned(), "HP_2.3", key.as_str(), "30 Data"),
    ] {
        let page = post_request(&bench, &wrong, interface, key).await;
        assert!(page.contains(&format!("refused: {said}")), "{said}: {page}");
    }
    assert_eq!(bench.effects().len(), 2);
}
