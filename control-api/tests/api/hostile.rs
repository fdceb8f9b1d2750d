//! Input that means harm, at every route that there is: refused with a reason, never a failure of
//! ours, and nobody else notices.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use sidetone_service::{clock, files};
use sidetone_wire::CallId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::world::{User, World, answer};

/// Connections that send half a request and then nothing.
const HALF_OPEN: usize = 1000;
/// An answer that comes later than this was held up by somebody else: generous, because the
/// machine may be busy with other tests.
const HELD_UP: Duration = Duration::from_secs(5);

/// A described operation.
struct Operation {
    method: Method,
    path: String,
    has_body: bool,
    query: Vec<String>,
}

impl Operation {
    /// Its path with every parameter replaced.
    fn with(&self, parameter: &str) -> String {
        let mut path = String::new();
        for part in self.path.split('/').skip(1) {
            path.push('/');
            path.push_str(if part.starts_with('{') {
                parameter
            } else {
                part
            });
        }
        path
    }

    /// Ends the session it is called with.
    fn ends_session(&self) -> bool {
        self.path.ends_with("/logout")
    }
}

async fn operations(world: &World) -> Vec<Operation> {
    let (_, api) = answer(world.request(Method::GET, "/api/openapi.json")).await;
    let mut found = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let parameters = operation["parameters"].as_array();
            let of_query = parameters
                .into_iter()
                .flatten()
                .filter(|p| p["in"] == "query");
            found.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                path: path.clone(),
                has_body: operation.get("requestBody").is_some(),
                query: of_query
                    .map(|p| p["name"].as_str().unwrap().to_owned())
                    .collect(),
            });
        }
    }
    found.retain(|operation| !operation.ends_session());
    assert!(found.len() > 30, "the description is there");
    found
}

/// Refused, with a problem that has a code.
async fn refused(what: &str, request: reqwest::RequestBuilder) -> u16 {
    let response = request.send().await.unwrap();
    let status = response.status();
    let kind = response.headers().get("content-type").cloned();
    let body = response.text().await.unwrap();
    assert!(status.is_client_error(), "{what}: {status} {body}");
    if let Ok(problem) = serde_json::from_str::<Value>(&body) {
        assert_eq!(kind.unwrap(), "application/problem+json", "{what}");
        assert!(problem["code"].is_string(), "{what}: {body}");
    }
    status.as_u16()
}

#[tokio::test]
async fn bodies_that_are_no_json_or_could_be_read_two_ways_are_refused_everywhere() {
    let world = World::new().await;
    let admin = world.admin().await;
    let bodies: [(&str, Vec<u8>); 9] = [
        ("nothing", Vec::new()),
        ("depth", "[".repeat(10_000).into_bytes()),
        ("depth of objects", "{\"a\":".repeat(10_000).into_bytes()),
        (
            "a name twice",
            br#"{"name":"a","name":"b","kind":1,"kind":2}"#.to_vec(),
        ),
        ("invalid UTF-8", b"{\"name\":\"\xff\xfe\"}".to_vec()),
        (
            "NUL",
            b"{\"name\":\"a\\u0000b\",\"reason\":\"\\u0000\"}".to_vec(),
        ),
        ("a number without end", b"{\"days\":1e999999}".to_vec()),
        ("not a number", b"{\"days\":NaN}".to_vec()),
        ("a body over the limit", vec![b' '; 10 << 20]),
    ];
    for operation in operations(&world).await.iter().filter(|o| o.has_body) {
        let path = operation.with(&CallId(clock::new_id()).to_string());
        for (what, body) in &bodies {
            let request = admin
                .request(operation.method.clone(), &path)
                .header("content-type", "application/json")
                .body(body.clone());
            let what = format!("{} {}: {what}", operation.method, operation.path);
            if body.len() > 1 << 20 {
                // the answer may be lost, because the server does not read what it refuses
                let status = request.send().await.map(|response| response.status());
                let allowed = [401, 403, 404, 413].map(|s| StatusCode::from_u16(s).unwrap());
                assert!(
                    status.is_err() || allowed.contains(&status.unwrap()),
                    "{what}"
                );
                continue;
            }
            refused(&what, request).await;
        }
    }
    world.admin().await;
}

#[tokio::test]
async fn a_parameter_that_no_route_knows_is_named_everywhere() {
    let world = World::new().await;
    let admin = world.admin().await;
    for operation in operations(&world).await {
        let path = operation.with(&CallId(clock::new_id()).to_string());
        let request = admin.request(operation.method.clone(), &format!("{path}?colour=blue"));
        let (status, body) = answer(request).await;
        let what = format!("{} {}: {body}", operation.method, operation.path);
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}");
        if operation.method != Method::HEAD {
            assert_eq!(body["errors"][0]["field"], "colour", "{what}");
        }
    }
}

#[tokio::test]
async fn values_of_parameters_that_cannot_be_are_refused_or_harmless() {
    let world = World::new().await;
    let admin = world.admin().await;
    let values = [
        "",
        "0",
        "-1",
        "1e9",
        "NaN",
        "Infinity",
        "18446744073709551616",
        "%00",
        "a%00b",
        "%ff",
        "..%2f..%2fetc%2fpasswd",
        "%27%20OR%201%3D1--",
        "%25%25__",
        "%F0%9F%92%A5",
        "9999-99-99",
        "0000-00-00T00%3A00%3A00Z",
        "-262144-01-01T00%3A00%3A00Z",
    ];
    let long = "x".repeat(8000);
    for operation in operations(&world).await {
        let path = operation.with(&CallId(clock::new_id()).to_string());
        for name in &operation.query {
            for value in values.iter().copied().chain([long.as_str()]) {
                let query = format!("{path}?{name}={value}");
                let (status, body) = answer(admin.request(operation.method.clone(), &query)).await;
                let what = format!("{} {query}: {status} {body}", operation.method);
                assert!(!status.is_server_error(), "{what}");
                if value.contains("%00") {
                    assert!(status.is_client_error(), "{what}");
                }
            }
            let twice = format!("{path}?{name}=1&{name}=2");
            let what = format!("{} {twice}", operation.method);
            refused(&what, admin.request(operation.method.clone(), &twice)).await;
        }
    }
}

#[tokio::test]
async fn parts_of_a_path_that_lead_elsewhere_lead_nowhere() {
    let world = World::new().await;
    let admin = world.admin().await;
    let long = "a".repeat(4096);
    let parts = [
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f",
        "..%5c..%5c",
        "%2fetc%2fpasswd",
        "%00",
        "a%00",
        "%ff%fe",
        "%E2%80%AE",
        "%F0%9F%92%A5",
        "null",
        "-1",
        "1e9",
        "'",
        "%3Cscript%3E",
        "$%7B7*7%7D",
        "00000000-0000-0000-0000-00000000000g",
        long.as_str(),
    ];
    let operations = operations(&world).await;
    for operation in operations.iter().filter(|o| o.path.contains('{')) {
        for part in parts {
            let path = operation.with(part);
            let request = admin
                .request(operation.method.clone(), &path)
                .header("content-type", "application/json")
                .body("{}");
            let what = format!("{} {}: {part}", operation.method, operation.path);
            refused(&what, request).await;
        }
    }
    // nor do files of the dashboard
    for path in [
        "/..%2f..%2fCargo.toml",
        "/assets/..%2f..%2f..%2fetc%2fpasswd",
        "/assets/%00",
    ] {
        let (_, body) = answer(world.request(Method::GET, path)).await;
        assert_ne!(body, "", "{path}");
        let text = world.request(Method::GET, path).send().await.unwrap();
        let text = text.text().await.unwrap();
        assert!(
            !text.contains("[workspace]") && !text.contains("root:"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let world = World::new().await;
    let address = world.url.trim_start_matches("http://");
    let one = format!("x: {}\r\n", "y".repeat(128 * 1024));
    let many = "x: y\r\n".repeat(1000);
    for headers in [one, many] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET /api/me HTTP/1.1\r\nhost: a\r\n{headers}\r\n");
        // it may be closed before all was written
        drop(stream.write_all(head.as_bytes()).await);
        let mut start = [0; 12];
        stream.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 431");
    }
    world.admin().await;
}

/// How long a request of somebody else takes.
async fn waits(user: &User) -> Duration {
    let begun = clock::now();
    user.read("/api/me").await;
    clock::now() - begun
}

#[tokio::test]
async fn a_thousand_who_send_half_a_request_hold_up_nobody() {
    files::raise_limit();
    let world = World::new().await;
    let admin = world.admin().await;
    let address = world.url.trim_start_matches("http://");
    let halves: [&[u8]; 3] = [
        b"",
        b"POST /api/auth/login HTTP/1.1\r\nhost: a\r\nx-slow: ",
        b"POST /api/auth/login HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
          content-length: 100\r\n\r\n{",
    ];
    let mut open = Vec::new();
    for n in 0..HALF_OPEN {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(halves[n % halves.len()]).await.unwrap();
        open.push(stream);
        if n % 50 == 0 {
            let took = waits(&admin).await;
            assert!(took < HELD_UP, "{took:?} beside {n} half-open connections");
        }
    }
    let someone = world.admin().await;
    let took = waits(&someone).await;
    assert!(took < HELD_UP, "{took:?}");
}
