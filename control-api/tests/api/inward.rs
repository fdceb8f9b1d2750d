//! URLs that lead inside, in every field that takes one: refused, and nobody is connected to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::world::World;

/// Counts those who connect to this machine at a port.
struct Canary {
    port: u16,
    connects: Arc<AtomicUsize>,
}

impl Canary {
    async fn new() -> Self {
        let v4 = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = v4.local_addr().unwrap().port();
        let v6 = TcpListener::bind(("::1", port)).await.ok(); // where there is IPv6
        let connects = Arc::new(AtomicUsize::new(0));
        for listener in [Some(v4), v6].into_iter().flatten() {
            let connects = connects.clone();
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    connects.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { port, connects }
    }
}

/// Makes the body of a request with a URL in its field.
type Body<'a> = &'a dyn Fn(&str) -> Value;

/// Hosts that are this machine, its network, its cloud, or a trick, each with the right port.
const HOSTS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "localhost.localdomain",
    "ip6-localhost",
    "a.localhost",
    "[::1]",
    "[::]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fe80::1%25lo]",
    "[fd00::1]",
    "[fc00::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[2001:db8::1]",
    "[100::1]",
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.168.255.255",
    "169.254.169.254",
    "169.254.170.2",
    "[fd00:ec2::254]",
    "metadata.google.internal",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "3232235521",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "\u{2460}27.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "127\u{ff0e}0\u{ff0e}0\u{ff0e}1",
    "\u{ff11}\u{ff12}\u{ff17}.0.0.1",
    "vapi.ai@127.0.0.1",
    "vapi.ai:443@127.0.0.1",
    "127.0.0.1#@vapi.ai",
    "127.0.0.1?@vapi.ai",
    "127.0.0.1\\@vapi.ai",
    "vapi.ai\\@127.0.0.1",
    "127.0.0.1%2f@vapi.ai",
    "vapi.ai.127.0.0.1.nip.io",
    "vapi.ai.evil.example",
    "evilvapi.ai",
    "vapi.ai%00.evil.example",
    "vapi.ai%0d%0a.evil.example",
    "xn--vapi-",
    "vapi",
    "",
    "-",
];

/// Whole URLs that are no address of a vendor.
const OTHERS: &[&str] = &[
    "file:///etc/passwd",
    "gopher://127.0.0.1:70/_x",
    "ftp://127.0.0.1/",
    "dict://127.0.0.1:11211/",
    "ldap://127.0.0.1/",
    "unix:/run/docker.sock",
    "data:text/plain,x",
    "javascript:alert(1)",
    "//127.0.0.1/",
    "/etc/passwd",
    "127.0.0.1",
    "http:127.0.0.1",
    "wss:///127.0.0.1",
    "http://",
    "https://",
    "wss://",
    "https://[",
    "https://]/",
    "https://vapi.ai:22/",
    "wss://x.vapi.ai:80/",
    " https://127.0.0.1/",
    "https://127.0.0.1 /",
    "https://\u{0}127.0.0.1/",
    "nonsense",
];

fn urls(schemes: [&str; 2], port: u16) -> Vec<String> {
    let of_hosts = HOSTS.iter().flat_map(|host| {
        let (name, rest) = match host.find(['#', '?']) {
            Some(at) => host.split_at(at),
            None => (*host, ""),
        };
        schemes.map(|scheme| format!("{scheme}://{name}:{port}/{rest}"))
    });
    let without_port = HOSTS.iter().map(|host| format!("{}://{host}/", schemes[1]));
    let others = OTHERS.iter().map(ToString::to_string);
    of_hosts.chain(without_port).chain(others).collect()
}

#[tokio::test]
async fn urls_that_lead_inside_are_refused_in_every_field_and_nobody_is_dialled() {
    let world = World::new().await;
    let admin = world.admin().await;
    let canary = Canary::new().await;
    let call = |field: &str, url: &str| {
        json!({"upstream": "vapi", "upstreamCallId": "v-1", "direction": "inbound",
            "from": "+4930111", "to": "+4989100", field: url})
    };
    let fields: [(&str, &str, [&str; 2], Body<'_>); 2] = [
        ("/api/calls", "listenUrl", ["ws", "wss"], &|url| {
            call("listenUrl", url)
        }),
        ("/api/calls", "controlUrl", ["http", "https"], &|url| {
            call("controlUrl", url)
        }),
    ];
    for (path, field, schemes, body) in fields {
        let urls = urls(schemes, canary.port);
        assert!(urls.len() >= 80);
        for url in urls {
            let (status, answer) = admin.post(path, &body(&url)).await;
            let what = format!("{path} {field} {url:?}: {answer}");
            assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{what}");
            assert_eq!(answer["errors"][0]["field"], field, "{what}");
        }
    }
    assert_eq!(canary.connects.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_webhook_goes_to_no_address_inside_whatever_its_url_says() {
    let world = World::new().await;
    let admin = world.admin().await;
    let canary = Canary::new().await;
    let path = "/api/webhook-subscriptions";
    let (mut refused, mut dialled) = (0, 0);
    for url in urls(["http", "https"], canary.port) {
        let body = json!({"url": url, "events": ["call.started"]});
        let (status, answer) = admin.post(path, &body).await;
        if status == StatusCode::UNPROCESSABLE_ENTITY {
            assert_eq!(answer["errors"][0]["field"], "url", "{url:?}: {answer}");
            refused += 1;
            continue;
        }
        // a name that says nothing about where it leads is looked up when it is dialled
        assert_eq!(status, StatusCode::CREATED, "{url:?}: {answer}");
        let one = format!("{path}/{}", answer["id"].as_str().unwrap());
        let (status, answer) = admin.post(&format!("{one}/test"), &json!({})).await;
        assert_eq!(status, StatusCode::OK, "{url:?}: {answer}");
        assert_ne!(answer["state"], "delivered", "{url:?}: {answer}");
        admin.send(Method::DELETE, &one).await;
        dialled += 1;
    }
    assert!(refused >= 150 && dialled > 0, "{refused} and {dialled}");
    assert_eq!(canary.connects.load(Ordering::SeqCst), 0);
}
