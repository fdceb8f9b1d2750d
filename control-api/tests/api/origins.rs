//! Which pages open sockets: refused before there is a connection.

use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::socket::Socket;
use crate::world::World;

/// How a WebSocket is answered: 101, or what refused it.
async fn status(world: &World, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    let url = world.url.replacen("http", "ws", 1);
    let mut request = format!("{url}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((_, response)) => response.status().as_u16(),
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{headers:?}: {error}"),
    }
}

/// Origins of pages that may not, near misses of ours and of the listed one above all.
fn bad(host: &str) -> Vec<String> {
    let (name, port) = host.split_once(':').unwrap();
    let other: u16 = port.parse::<u16>().unwrap() ^ 1;
    let mut bad: Vec<String> = [
        "null",
        "",
        "https://evil.example",
        "http://desk.example",
        "https://desk.example:8443",
        "https://desk.example:443",
        "https://desk.example/",
        "https://desk.example/path",
        "https://desk.example.",
        "https://desk.example.evil.example",
        "https://evildesk.example",
        "https://a.desk.example",
        "https://desk.example@evil.example",
        "https://evil.example#desk.example",
        "https://evil.example?desk.example",
        "https://evil.example/desk.example",
        "https://evil.example\\desk.example",
        "HTTPS://desk.example",
        "https://DESK.example",
        "Https://Desk.Example",
        "https:desk.example",
        "https:/desk.example",
        "//desk.example",
        "desk.example",
        "https://desk.example https://evil.example",
        "https://desk.example,https://evil.example",
        "wss://desk.example",
        "file://",
        "chrome-extension://abcdefghijklmnop",
        "data:text/html,x",
        "https://desk%2eexample",
        "https://*",
    ]
    .map(str::to_owned)
    .to_vec();
    bad.extend([
        format!("https://{host}"),
        format!("ws://{host}"),
        format!("HTTP://{host}"),
        format!("http://{host}/"),
        format!("http://{name}"),
        format!("http://{name}:{other}"),
        format!("http://{host}.evil.example"),
        format!("http://user@{host}"),
        format!("http://evil.example@{host}"),
        format!("http://localhost:{port}"),
        format!("http://[::1]:{port}"),
        format!("http://0.0.0.0:{port}"),
    ]);
    bad
}

#[tokio::test]
async fn sockets_of_foreign_pages_are_refused_before_they_are_sockets() {
    let world = World::with(&[("CORS_ORIGINS", "https://desk.example")]).await;
    let host = world.url.strip_prefix("http://").unwrap().to_owned();
    let token = world.admin().await.token;
    let cookie = format!("sidetone_session={token}");
    let socket = "/socket.io/?EIO=4&transport=websocket";
    let bad = bad(&host);
    assert!(bad.len() >= 40, "{}", bad.len());
    for origin in &bad {
        for more in [&[][..], &[("cookie", cookie.as_str())]] {
            let mut headers = vec![("origin", origin.as_str())];
            headers.extend(more);
            assert_eq!(status(&world, socket, &headers).await, 403, "{origin:?}");
        }
        let polling = world
            .request(reqwest::Method::GET, "/socket.io/?EIO=4&transport=polling")
            .header("origin", origin)
            .send();
        assert_eq!(polling.await.unwrap().status().as_u16(), 403, "{origin:?}");
    }
    let own = format!("http://{host}");
    for origin in [own.as_str(), "https://desk.example"] {
        let headers = [("origin", origin), ("cookie", cookie.as_str())];
        assert_eq!(status(&world, socket, &headers).await, 101, "{origin}");
    }
    let two = [("origin", own.as_str()), ("origin", "https://evil.example")];
    assert_eq!(status(&world, socket, &two).await, 403);
    // a browser always says which page opens a WebSocket
    assert_eq!(status(&world, socket, &[("cookie", &cookie)]).await, 403);
    // a program says none, and shows a token
    assert_eq!(status(&world, socket, &[]).await, 101);
    Socket::try_connect(&world, json!({ "token": token }), &[])
        .await
        .unwrap();
}
