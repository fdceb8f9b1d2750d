//! What the extractors and the layers around all routes answer, said once for every route, and
//! which query parameters each route takes.
//!
//! **Invariant**: a query parameter that a route's description does not have is refused.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// What any route answers when the database is away.
const ALWAYS: &[(&str, &str)] = &[(
    "503",
    "The database is away, or too much is asked at once: try again",
)];
/// What a route answers that is not public.
const PRIVATE: &[(&str, &str)] = &[
    ("401", "No valid session or API key was shown"),
    ("403", "The caller may not do this"),
];
/// What a route with parameters in its path answers.
const IN_PATH: &[(&str, &str)] = &[("404", "There is no such thing, or it is another tenant's")];
/// What a route that reads a body answers.
const WITH_BODY: &[(&str, &str)] = &[
    ("400", "The body is not what its content-type says"),
    ("408", "The body took too long"),
    ("413", "The body is too large"),
    (
        "415",
        "The body's content-type is not one that this route reads",
    ),
];
/// What any route answers to a parameter or field that it does not know.
const WRONG: &[(&str, &str)] = &[("422", "A parameter or field is wrong or unknown")];

/// Completes a description in JSON.
pub(super) fn complete(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, item) in paths {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            if operation["responses"].is_object() {
                complete_operation(path, operation);
            }
        }
    }
}

fn complete_operation(path: &str, operation: &mut Value) {
    let public = operation.get("security").is_some();
    let has_body = operation.get("requestBody").is_some();
    let groups = [
        (true, ALWAYS),
        (!public, PRIVATE),
        (path.contains('{'), IN_PATH),
        (has_body, WITH_BODY),
        (true, WRONG),
    ];
    let Some(responses) = operation["responses"].as_object_mut() else {
        return;
    };
    for (status, response) in responses.iter_mut() {
        if status.starts_with(['4', '5'])
            && let Some(content) = response.get_mut("content").and_then(Value::as_object_mut)
            && let Some(body) = content.remove("application/json")
        {
            content.insert("application/problem+json".to_owned(), body);
        }
    }
    let problem = json!({"application/problem+json": {
        "schema": {"$ref": "#/components/schemas/Problem"}}});
    for (_, group) in groups.iter().filter(|(applies, _)| *applies) {
        for (status, text) in *group {
            responses
                .entry(*status)
                .or_insert_with(|| json!({"description": text, "content": problem}));
        }
    }
}

/// Names of the query parameters of each method and route.
pub(super) type Known = Arc<HashMap<(String, String), Vec<String>>>;

/// The query parameters that a description has.
pub(super) fn known(document: &Value) -> Known {
    let mut known = HashMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let parameters = operation["parameters"].as_array();
            let names = parameters
                .into_iter()
                .flatten()
                .filter(|parameter| parameter["in"] == "query")
                .filter_map(|parameter| parameter["name"].as_str().map(str::to_owned))
                .collect();
            known.insert((method.clone(), path.clone()), names);
        }
    }
    Arc::new(known)
}

/// Refuses a query parameter that the route does not know.
pub(super) async fn check_query(
    State(known): State<Known>,
    matched: MatchedPath,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
        let method = match request.method() {
            &Method::HEAD => Method::GET, // the same route answers both
            other => other.clone(),
        };
        let route = (method.as_str().to_lowercase(), matched.as_str().to_owned());
        let names = known.get(&route).map_or(&[][..], Vec::as_slice);
        let unknown = form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| !names.iter().any(|known| known == name));
        if let Some((name, _)) = unknown {
            return Err(Problem::invalid_field(
                &name,
                "is no parameter of this route",
            ));
        }
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_route_answers_is_said_once_and_what_it_says_itself_stays() {
        let mut document = json!({"paths": {"/api/a/{id}": {"post": {
            "requestBody": {},
            "parameters": [{"in": "query", "name": "q"}, {"in": "path", "name": "id"}],
            "responses": {
                "200": {"description": "Done", "content": {"application/json": {}}},
                "404": {"description": "Mine", "content": {"application/json": {}}},
            },
        }}}});
        complete(&mut document);
        let responses = &document["paths"]["/api/a/{id}"]["post"]["responses"];
        let statuses: Vec<&String> = responses.as_object().unwrap().keys().collect();
        let expected = [
            "200", "400", "401", "403", "404", "408", "413", "415", "422", "503",
        ];
        assert_eq!(statuses, expected);
        let mine = &responses["404"];
        assert_eq!(mine["description"], "Mine");
        assert!(mine["content"]["application/problem+json"].is_object());
        assert!(responses["200"]["content"]["application/json"].is_object());
        let known = known(&document);
        let route = ("post".to_owned(), "/api/a/{id}".to_owned());
        assert_eq!(known[&route], ["q"]);
    }
}
