//! The seal vectors: published by the provider (P), and computed with the public test key (C, N).
//!
//! Source: Paypage JSON guide and Paypage POST guide (samples); tests of the SDKs that Worldline publishes.

use serde_json::{Map, Value};

use super::{Algorithm, sealed_text};

const KEY: &str = "002001000000001_KEY1";
const GUIDE_KEY: &str = "secret123";

fn message(json: &str) -> Map<String, Value> {
    serde_json::from_str(json).unwrap()
}

/// The sealed text of a JSON message, and its seals.
#[track_caller]
fn check(json: &str, key: &str, text: Option<&str>, seals: &[(&str, &str)]) {
    let sealed = sealed_text(&message(json));
    if let Some(text) = text {
        assert_eq!(sealed, text);
    }
    check_text(&sealed, key, seals);
}

#[track_caller]
fn check_text(text: &str, key: &str, seals: &[(&str, &str)]) {
    for (algorithm, seal) in seals {
        assert_eq!(Algorithm::named(algorithm).unwrap().seal(text, key), *seal, "{algorithm}");
    }
}

#[test]
fn p1_request_with_a_container() {
    check(
        r#"{"amount":"2500","automaticResponseUrl":"https://automatic-response-url.fr/","normalReturnUrl":"https://normal-return-url/","captureDay":"0","captureMode":"AUTHOR_CAPTURE","currencyCode":"978","customerContact":{"email":"customer@email.com"},"interfaceVersion":"IR_WS_2.22","keyVersion":"1","merchantId":"011223344550000","orderChannel":"INTERNET","orderId":"ORD101","returnContext":"ReturnContext","transactionOrigin":"SO_WEBAPPLI","transactionReference":"TREFEXA2012"}"#,
        GUIDE_KEY,
        Some(
            r#"2500https://automatic-response-url.fr/0AUTHOR_CAPTURE978customer@email.comIR_WS_2.22011223344550000https://normal-return-url/INTERNETORD101ReturnContextSO_WEBAPPLITREFEXA2012"#,
        ),
        &[("HMAC-SHA-256", "322b943d833417c1570e0a282641e8e29d6a5b968c9b846694b5610e18ab5b81")],
    );
    let mut without = message(
        r#"{"amount":"2500","automaticResponseUrl":"https://automatic-response-url.fr/","normalReturnUrl":"https://normal-return-url/","captureDay":"0","captureMode":"AUTHOR_CAPTURE","currencyCode":"978","customerContact":{"email":"customer@email.com"},"interfaceVersion":"IR_WS_2.22","keyVersion":"1","merchantId":"011223344550000","orderChannel":"INTERNET","orderId":"ORD101","returnContext":"ReturnContext","transactionOrigin":"SO_WEBAPPLI","transactionReference":"TREFEXA2012"}"#,
    );
    without.remove("customerContact");
    check_text(
        &sealed_text(&without),
        GUIDE_KEY,
        &[("HMAC-SHA-256", "e4d75c6a779adee5850192d1ecc162ca0c85e960cb00d9923879609f89739152")],
    );
}

#[test]
fn p2_answer_of_payment_init() {
    check(
        r#"{"redirectionData":"4AgbsrffvPgzDghQysbOJIZBJTZsk1KNlTmoOCtSORkMfzQgSR5OEw0gAE2bAAFbHuYQXuBmiEfuwD81QlmDInPmanHWkKNA3X3jUbC8Jh9oPTfgoPO4PNo20aNt6yb5z8cDOX8J_rNvwzfJetyCxEVrB93g9YRFX4n3mM85FC5o","redirectionStatusCode":"00","redirectionStatusMessage":"INITIALISATION REQUEST ACCEPTED","redirectionUrl":"https://payment-gateway.net/","redirectionVersion":"IR_WS_2.0"}"#,
        "002001000000002_KEY1",
        None,
        &[("HMAC-SHA-256", "c3eb508b0d419e3bd2bb1a0416c2a48585fa6d683aa8d1a3dfba8ee877079f9f")],
    );
}

#[test]
fn p3_hmac() {
    check_text(
        "This is a test!",
        "superSafeSecretKey",
        &[("HMAC-SHA-256", "198e5f278e3f8548e174e84492953c4871732278b7e2aa2cbf20bb1ab85914ea")],
    );
}

#[test]
fn p4_sealed_texts() {
    check(
        r#"{"amount": 2, "automaticResponseUrl": "http://test.com", "currencyCode": 978, "interfaceVersion": "IR_WS_2.19", "normalReturnUrl": "http://localhost/return.php", "orderChannel": "INTERNET", "templateName": "custom", "transactionReference": "test", "paymentMeanBrandList": ["VISA", "MASTERCARD"]}"#,
        KEY,
        Some("2http://test.com978IR_WS_2.19http://localhost/return.phpINTERNETVISAMASTERCARDcustomtest"),
        &[],
    );
    check(
        r#"{"amount": 2, "automaticResponseUrl": "http://test.com", "currencyCode": 978, "interfaceVersion": "IR_WS_2.19", "normalReturnUrl": "http://localhost/return.php", "orderChannel": "INTERNET", "templateName": "custom", "transactionReference": "test", "customerAddress": {"city": "CustomerCity", "country": "CustomerCountry"}, "customerContact": {"firstname": "Firstname", "lastname": "Lastname"}}"#,
        KEY,
        Some(
            "2http://test.com978CustomerCityCustomerCountryFirstnameLastnameIR_WS_2.19http://localhost/return.phpINTERNETcustomtest",
        ),
        &[],
    );
}

#[test]
fn p5_results_in_post_format() {
    check_text(
        r#"captureDay=0|captureMode=AUTHOR_CAPTURE|currencyCode=978|merchantId=002001000000001|orderChannel=INTERNET|responseCode=17|transactionDateTime=2018-02-06T07:43:55+01:00|transactionReference=e1445438c15|keyVersion=1|amount=2|customerIpAddress=194.78.195.168|paymentPattern=ONE_SHOT"#,
        KEY,
        &[("SHA-256", "8f488030781e3196726ce0658dbc26f19781f7c7fbe212b39d63d3f4d1d77301")],
    );
}

#[test]
fn p6_result_in_json_format() {
    check_text(
        r#"{"keyVersion":1,"amount":44000,"captureDay":0,"captureMode":"AUTHOR_CAPTURE","currencyCode":"978","customerId":"40813","customerIpAddress":"213.118.246.190","merchantId":"225005049920001","orderAmount":44000,"orderChannel":"INTERNET","responseCode":"97","responseDescription":"Request time-out; transaction refused","transactionDateTime":"2023-03-15.00:39:04+0100","transactionReference":"dd88adfZ1027b40813f40813y1678837075","statementReference":"T7Ft4KKLRA2M11B9","s10TransactionId":"6","s10TransactionIdDate":"20230315","sealAlgorithm":"sha256","transactionPlatform":"PROD","paymentAttemptNumber":2,"preAuthorisationRuleResultList":[{"ruleCode":"VI","ruleType":"NG","ruleWeight":"I","ruleSetting":"S","ruleResultIndicator":"0","ruleDetailedInfo":"TRANS=1:3;CUMUL=24999:200000"},{"ruleCode":"RCode","ruleType":"RType","ruleWeight":"RWeight","ruleSetting":"RSetting","ruleResultIndicator":"RIndicator","ruleDetailedInfo":"DetailedInfo"}]}"#,
        GUIDE_KEY,
        &[
            ("HMAC-SHA-256", "77be1c230491c0d4eef6eaf910f635d42f55c90cd34c5a162c0ef6fcefb3f087"),
            ("SHA-256", "e9aa5be21186a9f9a417b82d1d450792851c849ccc8a2f85136897da29477975"),
        ],
    );
}

#[test]
fn p7_payment_request_of_the_form_channel() {
    check_text(
        r#"automaticResponseURL=https://automatic-response-url.fr/|normalReturnURL=https://normal-return-url/|captureDay=0|captureMode=AUTHOR_CAPTURE|merchantId=011223344550000|amount=2500|orderId=ORD101|currencyCode=978|transactionReference=TREFEXA2012|keyVersion=1|transactionOrigin=SO_WEBAPPLI|returnContext=ReturnContext|orderChannel=INTERNET|customerContact.email=customer@email.com"#,
        GUIDE_KEY,
        &[("SHA-256", "ac2332b57a674aba5b28a03dae677fa2f4c1ae8a349ebbdd6772a098c7f29861")],
    );
}

#[test]
fn c1_cancel_whole_amount() {
    check(
        r#"{"merchantId": "002001000000001", "keyVersion": "1", "interfaceVersion": "CR_WS_2.55", "currencyCode": "978", "operationAmount": "1000", "transactionReference": "ORDER0001"}"#,
        KEY,
        Some(r#"978CR_WS_2.550020010000000011000ORDER0001"#),
        &[
            ("HMAC-SHA-256", "25360c8e31045a8ab078a9625077443787c2bf33daf7106238af964092077951"),
            (
                "HMAC-SHA-512",
                "34e9a56f76294012cc2e4e86dde5bfd9f9d504cbf227c5bf809201da9290105ac816456d4ad3d36f5fcde427b64859420eb7d8a85f1202087208f68293cbb389",
            ),
            ("SHA-256", "8893562d5988a045feb90f1573c31185b05d4e5c595d63dc630bcf5f8e30c5a2"),
        ],
    );
}

#[test]
fn c2_cancel_part_of_it_as_a_number() {
    check(
        r#"{"merchantId": "002001000000001", "keyVersion": "1", "interfaceVersion": "CR_WS_2.55", "currencyCode": "978", "operationAmount": 300, "operationOrigin": "BATCH", "transactionReference": "ORDER0001"}"#,
        KEY,
        Some(r#"978CR_WS_2.55002001000000001300BATCHORDER0001"#),
        &[("HMAC-SHA-256", "3393074bdedec41d14a6f0c3b87e60ed967b7cd713c45780d3236988467167e1")],
    );
}

#[test]
fn c3_cancel_by_the_1_0_pair() {
    check(
        r#"{"merchantId": "002001000000001", "keyVersion": "1", "interfaceVersion": "CR_WS_2.55", "currencyCode": "978", "operationAmount": "1000", "s10TransactionReference": {"s10TransactionIdDate": "20260114", "s10TransactionId": "000123"}}"#,
        KEY,
        Some(r#"978CR_WS_2.55002001000000001100000012320260114"#),
        &[("HMAC-SHA-256", "7ebc6700399ccc9ff735a8de62323780aa4670e8c5e2d9cd52cdb22210547fbb")],
    );
}

#[test]
fn c4_cancel_with_a_contact_and_accents() {
    check(
        r#"{"merchantId": "002001000000001", "keyVersion": "1", "interfaceVersion": "CR_WS_2.55", "currencyCode": "978", "operationAmount": "1000", "transactionReference": "ORDER0002", "customerContact": {"lastname": "Lévêque", "firstname": "Zoë 中", "email": "zoe@example.fr", "gender": "F"}}"#,
        KEY,
        Some(r#"978zoe@example.frZoë 中FLévêqueCR_WS_2.550020010000000011000ORDER0002"#),
        &[
            ("HMAC-SHA-256", "f32c25dd893a1f6253f790a2d174e79edb4b79f9b4a56e2926f3b37f421c6987"),
            (
                "HMAC-SHA-512",
                "b033b324e1323b6a968e4d143984258063644c9944fcd42a5205bb2da5c79dabc22d38d78c674f4bea72867da61068039b492bd00422554ec8e65cb3b96b5e86",
            ),
            ("SHA-256", "78b800536ca4ec99922c07556078dfa792bdec747e7db8e8541834b08d89c60d"),
        ],
    );
}

#[test]
fn c5_refund() {
    check(
        r#"{"merchantId": "002001000000001", "keyVersion": "1", "interfaceVersion": "CR_WS_2.55", "currencyCode": "978", "operationAmount": "2550", "operationOrigin": "gateway", "transactionReference": "ORDER0003"}"#,
        KEY,
        Some(r#"978CR_WS_2.550020010000000012550gatewayORDER0003"#),
        &[("HMAC-SHA-256", "731fcee07329667467a902f2d338cc143f25059e1b7ff7e3551a39371d099290")],
    );
}

#[test]
fn c6_validate() {
    check(
        r#"{"merchantId": "002001000000001", "keyVersion": "1", "interfaceVersion": "CR_WS_2.55", "currencyCode": "840", "operationAmount": "999", "transactionReference": "ORDER0004"}"#,
        KEY,
        Some(r#"840CR_WS_2.55002001000000001999ORDER0004"#),
        &[("HMAC-SHA-256", "c07539e5b440f226398b2fb6b423010b6bf08f86e84bdc095cb17dc98b1bc59b")],
    );
}

#[test]
fn c7_get_transaction_data() {
    check(
        r#"{"merchantId": "002001000000001", "keyVersion": "1", "interfaceVersion": "DR_WS_2.55", "transactionReference": "ORDER0004"}"#,
        KEY,
        Some(r#"DR_WS_2.55002001000000001ORDER0004"#),
        &[("HMAC-SHA-256", "0c3d78d0667d3dd3343488011b8706e58ebe592a4ea9e77941a7ec33124bfe74")],
    );
}

#[test]
fn c8_payment_init_with_lists() {
    check(
        r#"{"amount": "1500", "automaticResponseUrl": "https://shop.example/sips/auto", "currencyCode": "978", "customerContact": {"email": "zoe@example.fr", "lastname": "Ôter"}, "interfaceVersion": "IR_WS_2.35", "keyVersion": "1", "merchantId": "002001000000001", "normalReturnUrl": "https://shop.example/sips/back", "orderChannel": "INTERNET", "orderId": "ORD-77", "paymentMeanBrandList": ["VISA", "CB"], "paypageData": {"bypassReceiptPage": "true"}, "returnContext": "panier=77", "shoppingCartDetail": {"shoppingCartTotalAmount": "1500", "shoppingCartItemList": [{"productName": "mango", "productCode": "456"}, {"productName": "apple", "productCode": "123"}]}, "transactionReference": "ORDER0005"}"#,
        KEY,
        Some(
            r#"1500https://shop.example/sips/auto978zoe@example.frÔterIR_WS_2.35002001000000001https://shop.example/sips/backINTERNETORD-77VISACBtruepanier=77456mango123apple1500ORDER0005"#,
        ),
        &[("HMAC-SHA-256", "f83335e782b625df6c48170ff3cb4d2eaa41372dbeccea6a90fb43099f8d560d")],
    );
}

#[test]
fn c9_answer_to_a_partial_cancel() {
    check(
        r#"{"acquirerResponseCode": "00", "newAmount": 700, "newStatus": "TO_CAPTURE", "operationDateTime": "2026-01-14T10:31:07+01:00", "responseCode": "00"}"#,
        KEY,
        Some(r#"00700TO_CAPTURE2026-01-14T10:31:07+01:0000"#),
        &[("HMAC-SHA-256", "e6d35aa2bb44f24be39cbea14aa897d8029be0208f355fe414902cd299530c01")],
    );
}

#[test]
fn c10_answer_refused_for_its_state() {
    check(
        r#"{"newAmount": 0, "newStatus": "CANCELLED", "operationDateTime": "2026-01-14T10:31:09+01:00", "responseCode": "24"}"#,
        KEY,
        Some(r#"0CANCELLED2026-01-14T10:31:09+01:0024"#),
        &[("HMAC-SHA-256", "877ed12d9a27d32d4ae733c2ac82df414cd332e76074846df6201b10db5c5a9f")],
    );
}

#[test]
fn c11_answer_bad_request() {
    check(
        r#"{"errorFieldName": "operationAmount", "responseCode": "30"}"#,
        KEY,
        Some(r#"operationAmount30"#),
        &[("HMAC-SHA-256", "1b9c9b7e91f9bae9b4ad38e697ea7f2ec143db64bcc062b13eb633671481bd91")],
    );
}

#[test]
fn c12_ascii_order_versus_alphabet_without_case() {
    check(
        r#"{"authorisationId": "654321", "authorMessageReference": "179263", "responseCode": "00"}"#,
        KEY,
        Some(r#"17926365432100"#),
        &[("HMAC-SHA-256", "fd33b7d73480cba76dc7d301c4938d0f03b94f3d87ed97879f50f5dfc2f22cbf")],
    );
}

#[test]
fn n1_result_in_post_format() {
    check_text(
        r#"captureDay=0|captureMode=AUTHOR_CAPTURE|currencyCode=978|merchantId=002001000000001|orderChannel=INTERNET|responseCode=00|transactionDateTime=2026-01-14T10:31:07+01:00|transactionReference=ORDER0005|keyVersion=1|acquirerResponseCode=00|amount=1500|authorisationId=654321|paymentMeanBrand=VISA|returnContext=café=1|walletType=null"#,
        KEY,
        &[
            ("SHA-256", "7f563ce79288c290bc4286c08c4f768f07ccd1f031a46616899b7dbe7b4e3d9b"),
            ("HMAC-SHA-256", "168742ab84f6d8ba04e63a5cd4e4085a2f8d2701dd4fdf43baf3e1aa0c40f210"),
            (
                "HMAC-SHA-512",
                "dec79873f16ce080a0ae74525f4cb1c4f842e4c52b34fdeff13c78518b36b45ed1f690ad2d31a193c8fe496b755951d0fcf49fb1b533999268d956b229f43319",
            ),
        ],
    );
}

#[test]
fn n2_result_in_base64() {
    check_text(
        r#"Y2FwdHVyZURheT0wfGNhcHR1cmVNb2RlPUFVVEhPUl9DQVBUVVJFfGN1cnJlbmN5Q29kZT05Nzh8bWVyY2hhbnRJZD0wMDIwMDEwMDAwMDAwMDF8b3JkZXJDaGFubmVsPUlOVEVSTkVUfHJlc3BvbnNlQ29kZT0wMHx0cmFuc2FjdGlvbkRhdGVUaW1lPTIwMjYtMDEtMTRUMTA6MzE6MDcrMDE6MDB8dHJhbnNhY3Rpb25SZWZlcmVuY2U9T1JERVIwMDA1fGtleVZlcnNpb249MXxhY3F1aXJlclJlc3BvbnNlQ29kZT0wMHxhbW91bnQ9MTUwMHxhdXRob3Jpc2F0aW9uSWQ9NjU0MzIxfHBheW1lbnRNZWFuQnJhbmQ9VklTQXxyZXR1cm5Db250ZXh0PWNhZsOpPTF8d2FsbGV0VHlwZT1udWxs"#,
        KEY,
        &[
            ("SHA-256", "7826748c93458e814596d879a963f868e60726a5953ac048a1dfbcc9fa94ac9c"),
            ("HMAC-SHA-256", "c78f960ba841504a59476a685d6a3b2292f15c274899bdf8d1c70c86685e51cd"),
            (
                "HMAC-SHA-512",
                "b5deee276d0ee870dcee3065cfedd99c92f25f189fdd2a1d9e2b0bedc7d8782737a4c7965cd5868d430ee0d74a832647381b97661460e80e5afda433b21a96e2",
            ),
        ],
    );
}

#[test]
fn n3_result_in_json_format() {
    check_text(
        r#"{"captureDay":0,"captureMode":"AUTHOR_CAPTURE","currencyCode":"978","merchantId":"002001000000001","responseCode":"00","transactionDateTime":"2026-01-14.10:31:07+0100","transactionReference":"ORDER0005","keyVersion":1,"acquirerResponseCode":"00","amount":1500,"returnContext":"café"}"#,
        KEY,
        &[
            ("SHA-256", "8144a0395e3aff11a7c6f7794cc84b3709bf896e1e1a94444948ac475d51f8d0"),
            ("HMAC-SHA-256", "eaa1b8560f3a5554d00098db6331fb983c53fc9f437b46af3535927909b967a7"),
            (
                "HMAC-SHA-512",
                "cce28a96f06213a3a27cac959a34ca5837be6718f3dbe61f7e37ea7022ad328e7d4c42aa97f5e13a1d96f92e67606111dd6d5575079f40773dd9b405398b94b2",
            ),
        ],
    );
}
