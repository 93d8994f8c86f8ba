//! Examples of what is asked and answered, from `openapi/examples.json`: `examples` holds them by name, `uses` says for
//! each operation which stand where: `request` and the status of an answer, followed by the media type when there are
//! several. The tests see to it that none is missing and that each is what its schema says.

use serde_json::{Value, json};

use super::put;

const EXAMPLES: &str = include_str!("../../../openapi/examples.json");

/// Adds all examples to the document.
pub(super) fn add(document: &mut Value) {
    let file: Value = serde_json::from_str(EXAMPLES).unwrap_or_default();
    for (name, example) in file.get("examples").and_then(Value::as_object).into_iter().flatten() {
        put(document, &["components", "examples", name], example.clone());
    }
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for operation in paths.into_iter().flatten().filter_map(|(_, item)| item.as_object_mut()).flatten() {
        let operation = operation.1;
        let id = operation.get("operationId").and_then(Value::as_str).unwrap_or_default();
        let uses = file.get("uses").and_then(|uses| uses.get(id)).and_then(Value::as_object);
        for (place, names) in uses.into_iter().flatten() {
            let (part, media) = place.split_once(' ').unwrap_or((place, "application/json"));
            let body = if part == "request" {
                operation.pointer_mut("/requestBody/content")
            } else {
                operation.pointer_mut(&format!("/responses/{part}/content"))
            };
            let Some(body) = body.and_then(Value::as_object_mut) else { continue };
            for (of, content) in body {
                // A merge patch is the same text under another name.
                let is_meant = of == media || (media == "application/json" && of.ends_with("+json"));
                for name in names.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if is_meant {
                        let example = json!({"$ref": format!("#/components/examples/{name}")});
                        put(content, &["examples", name], example);
                    }
                }
            }
        }
    }
}
