//! Every code of the error tables on the provider pages, as a caller sees it.

use crate::rig::{CANCEL, GET, Reply, Rig, UPDATE, path};

struct Row {
    code: &'static str,
    status: u16,
    problem: &'static str,
    outcome: &'static str,
    pointer: Option<&'static str>,
}

const fn invalid(code: &'static str, pointer: &'static str) -> Row {
    Row { code, status: 422, problem: "provider_refused", outcome: "refused", pointer: Some(pointer) }
}

const fn currency(code: &'static str) -> Row {
    Row {
        code,
        status: 422,
        problem: "currency_not_supported",
        outcome: "refused",
        pointer: Some("/amount/currency"),
    }
}

const fn plain(code: &'static str, status: u16, problem: &'static str, outcome: &'static str) -> Row {
    Row { code, status, problem, outcome, pointer: None }
}

/// The table of `Charge/PaymentOrder/Update`, whole, but for `PSP_1001`, which is no refusal.
const UPDATE_ROWS: [Row; 27] = [
    invalid("INT_009", "/amount/value"),
    invalid("INT_010", "/amount/currency"),
    invalid("INT_050", "/provider_options/strong_authentication"),
    invalid("INT_836", "/delivery"),
    invalid("INT_837", "/delivery/recipient"),
    invalid("INT_838", "/delivery/recipient"),
    invalid("INT_839", "/delivery"),
    invalid("INT_841", "/delivery"),
    invalid("INT_850", "/delivery/recipient"),
    invalid("INT_856", "/locale"),
    invalid("INT_858", "/provider_options/tax_rate"),
    invalid("INT_869", "/provider_options/tax_amount"),
    invalid("INT_902", "/id"),
    currency("PSP_519"),
    currency("PSP_606"),
    plain("PSP_1000", 404, "not_found", "not_executed"),
    invalid("PSP_1002", "/delivery/recipient"),
    invalid("PSP_1003", "/delivery/channel"),
    invalid("PSP_1004", "/locale"),
    plain("PSP_1005", 409, "order_state_conflict", "refused"),
    plain("PSP_1006", 409, "order_state_conflict", "refused"),
    invalid("PSP_1007", "/expires_at"),
    plain("PSP_1011", 404, "not_found", "not_executed"),
    invalid("PSP_1015", "/provider_options/data_collection_form"),
    invalid("PSP_1017", "/delivery/channel"),
    invalid("PSP_1018", "/provider_options/data_collection_form"),
    invalid("PSP_1022", "/delivery/template"),
];

/// The table of `Charge/PaymentOrder/Cancel`, whole, and the common codes that any service may answer.
const CANCEL_ROWS: [Row; 4] = [
    invalid("INT_902", "/id"),
    plain("PSP_1000", 404, "not_found", "not_executed"),
    plain("INT_905", 503, "account_misconfigured", "not_executed"),
    plain("PSP_099", 503, "provider_unavailable", "not_executed"),
];

fn check(rig: &Rig, service: &str, row: &Row, reply: &Reply) {
    let code = row.code;
    assert_eq!(reply.problem(), (row.status, row.problem), "{code}: {}", reply.text);
    assert_eq!(reply.json["outcome"], row.outcome, "{code}: {}", reply.text);
    assert_eq!(reply.json["provider"]["name"], "lyra", "{code}: {}", reply.text);
    assert_eq!(reply.json["provider"]["code"], code, "{}", reply.text);
    assert_eq!(reply.pointer(), row.pointer, "{code}: {}", reply.text);
    assert_eq!(reply.header("retry-after").is_some(), row.problem == "provider_unavailable", "{code}");
    assert_eq!(rig.control.requests(service), 1, "{code}: asked once");
    assert_eq!(rig.control.effects(), [], "{code}: nothing moved");
}

#[tokio::test]
async fn every_refusal_of_an_update() {
    let rig = Rig::new().await;
    for row in &UPDATE_ROWS {
        rig.control.reset();
        rig.refuse(UPDATE, row.code);
        let reply = rig.update().await;
        check(&rig, UPDATE, row, &reply);
    }
    rig.stop().await;
}

#[tokio::test]
async fn every_refusal_of_a_cancel() {
    let rig = Rig::new().await;
    for row in &CANCEL_ROWS {
        rig.control.reset();
        rig.refuse(CANCEL, row.code);
        let reply = rig.cancel().await;
        check(&rig, CANCEL, row, &reply);
    }
}

/// The gateway to the payer's phone was away: the order may have been changed all the same.
#[tokio::test]
async fn an_incident_of_an_update_is_unknown() {
    let rig = Rig::new().await;
    rig.refuse(UPDATE, "PSP_1001");
    let reply = rig.update().await;
    assert_eq!(reply.status, 202, "{reply:?}");
    assert_eq!(reply.json["operation"]["status"], "unknown", "{reply:?}");
    assert_eq!(reply.json["operation"]["outcome"], "unknown", "{reply:?}");
    assert_eq!((rig.control.requests(UPDATE), rig.control.effects().len()), (1, 0));
}

#[tokio::test]
async fn every_refusal_of_a_read() {
    let rig = Rig::new().await;
    for (code, status, problem, retry) in [
        ("INT_902", 502, "provider_bad_response", false),
        ("PSP_1000", 404, "not_found", false),
        ("PSP_1011", 404, "not_found", false),
        ("INT_905", 503, "account_misconfigured", false),
        ("PSP_099", 503, "provider_unavailable", true),
    ] {
        rig.control.reset();
        rig.refuse(GET, code);
        let reply = rig.get(&path()).await;
        assert_eq!(reply.problem(), (status, problem), "{code}");
        assert_eq!(reply.json.get("outcome"), None, "{code}: a read moves nothing");
        let word = reply.json.pointer("/provider/code").and_then(|code| code.as_str());
        assert_eq!(word, (status != 404).then_some(code), "{}", reply.text);
        assert_eq!(reply.header("retry-after").is_some(), retry, "{code}");
        assert_eq!((rig.control.requests(GET), rig.control.effects().len()), (1, 0), "{code}");
    }
}

/// The read before a change is refused: the change is not begun, and nothing but the read is sent.
#[tokio::test]
async fn a_refused_first_read_changes_nothing() {
    let rig = Rig::new().await;
    for (code, status, problem) in [
        ("INT_902", 503, "provider_unavailable"),
        ("PSP_1000", 404, "not_found"),
        ("INT_905", 503, "account_misconfigured"),
        ("PSP_099", 503, "provider_unavailable"),
    ] {
        for is_cancel in [false, true] {
            rig.control.reset();
            rig.refuse(GET, code);
            let reply = if is_cancel { rig.cancel().await } else { rig.update().await };
            assert_eq!(reply.problem(), (status, problem), "{code}");
            assert_eq!(reply.json["outcome"], "not_executed", "{code}");
            assert_eq!((rig.control.total_requests(), rig.control.effects().len()), (1, 0), "{code}");
        }
    }
}
