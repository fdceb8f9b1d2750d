//! The smallest value that fits a schema of the API's description.

use serde_json::{Map, Value, json};

/// A value that fits: only what is required.
pub(super) fn example(api: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return example(
            api,
            api.pointer(pointer).expect("references lead somewhere"),
        );
    }
    for given in ["example", "const", "default"] {
        if let Some(value) = schema.get(given) {
            return value.clone();
        }
    }
    for list in ["enum", "examples"] {
        if let Some(value) = schema[list].as_array().and_then(|values| values.first()) {
            return value.clone();
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        return all_of(api, parts);
    }
    for choice in ["oneOf", "anyOf"] {
        let some = schema[choice].as_array().into_iter().flatten();
        if let Some(one) = some.into_iter().find(|one| one["type"] != "null") {
            let mut value = example(api, one);
            // a tagged choice keeps what all its cases share beside it
            if let (Some(map), Value::Object(more)) = (value.as_object_mut(), object(api, schema)) {
                map.extend(more);
            }
            return value;
        }
    }
    match kind(schema) {
        "object" => object(api, schema),
        "array" => array(api, schema),
        "string" => json!(text(schema)),
        "integer" | "number" => {
            let least = [&schema["minimum"], &schema["exclusiveMinimum"]];
            let least = least.iter().find_map(|least| least.as_f64());
            json!(least.map_or(1, |least| least.ceil() as i64))
        }
        "boolean" => json!(false),
        _ => json!({}),
    }
}

fn all_of(api: &Value, parts: &[Value]) -> Value {
    let mut whole = Map::new();
    for part in parts {
        let value = example(api, part);
        let Value::Object(map) = value else {
            return value;
        };
        whole.extend(map);
    }
    Value::Object(whole)
}

fn kind(schema: &Value) -> &str {
    let one = schema["type"].as_str();
    let several = schema["type"].as_array().into_iter().flatten();
    let mut kinds = one.into_iter().chain(several.filter_map(Value::as_str));
    kinds.find(|kind| *kind != "null").unwrap_or_default()
}

fn object(api: &Value, schema: &Value) -> Value {
    let required = schema["required"].as_array().into_iter().flatten();
    let fields = required.filter_map(|name| {
        let name = name.as_str()?;
        Some((name.to_owned(), example(api, &schema["properties"][name])))
    });
    Value::Object(fields.collect())
}

fn array(api: &Value, schema: &Value) -> Value {
    let count = schema["minItems"].as_u64().unwrap_or(0);
    let item = example(api, &schema["items"]);
    (0..count).map(|_| item.clone()).collect()
}

fn text(schema: &Value) -> String {
    match schema["format"].as_str() {
        Some("uuid") => "0190aaaa-0000-7000-8000-00000000000a".to_owned(),
        Some("date-time") => "2031-01-01T00:00:00Z".to_owned(),
        Some("date") => "2031-01-01".to_owned(),
        Some("uri" | "url") => "https://example.com/".to_owned(),
        Some("password") => "a-password".to_owned(),
        _ => {
            let least = schema["minLength"].as_u64().unwrap_or(1).max(1);
            "x".repeat(least as usize)
        }
    }
}
