use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::s3::SIGNED;
use crate::{S3Server, wait_for};

const SOON: Duration = Duration::from_secs(10);

/// A client of the proxy that sends bytes and shows bytes.
struct Client(TcpStream);

impl Client {
    async fn connect(proxy: &FaultProxy) -> Self {
        Self(TcpStream::connect(proxy.address).await.unwrap())
    }

    /// Sends a request and reads until the connection ends, well or not.
    async fn ask(
        mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (String, Option<ErrorKind>) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: proxy\r\ncontent-length: {length}\r\n{SIGNED}{headers}\r\n{body}"
        );
        let sent = self.0.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let read = self.0.read_to_end(&mut answer).await;
        let error = sent.err().or(read.err()).map(|error| error.kind());
        (String::from_utf8(answer).unwrap(), error)
    }
}

async fn ask(proxy: &FaultProxy, method: &str, path: &str, body: &str) -> String {
    let client = Client::connect(proxy).await;
    let (answer, error) = client.ask(method, path, "", body).await;
    assert_eq!(error, None, "{method} {path}");
    answer
}

/// A real server with a bucket, and the proxy before it.
async fn setup() -> (Arc<S3Server>, String, FaultProxy) {
    let server = S3Server::shared().await.unwrap();
    let bucket = server.bucket().await.unwrap();
    let proxy = FaultProxy::start(server.address()).await.unwrap();
    (server, format!("/{bucket}/object"), proxy)
}

#[tokio::test]
async fn what_passes_arrives_as_it_was_and_is_counted() {
    let (_server, path, proxy) = setup().await;
    let body = "0123456789".repeat(10_000);
    assert!(ask(&proxy, "PUT", &path, &body).await.contains("200 OK"));
    let answer = ask(&proxy, "GET", &path, "").await;
    assert!(answer.ends_with(&body));
    assert!(ask(&proxy, "HEAD", &path, "").await.contains("200 OK"));
    let traffic = proxy.traffic();
    assert_eq!(traffic.requests("PUT"), 1);
    assert_eq!(traffic.requests_total(), 3);
    assert_eq!(traffic.request_body_bytes, 100_000);
    assert_eq!(traffic.response_body_bytes, 100_000);
    assert_eq!(traffic.in_flight_max, 1);
    proxy.forget();
    assert_eq!(proxy.traffic(), Traffic::default());
}

#[tokio::test]
async fn what_is_refused_is_reset_and_what_hangs_is_until_the_fault_changes() {
    let (_server, path, proxy) = setup().await;
    proxy.set(Fault::Refuse);
    let client = Client::connect(&proxy).await;
    let (answer, error) = client.ask("GET", &path, "", "").await;
    assert_eq!(
        (answer.as_str(), error),
        ("", Some(ErrorKind::ConnectionReset))
    );

    proxy.set(Fault::Hang);
    let client = Client::connect(&proxy).await;
    let hanging = tokio::spawn(async move { client.ask("GET", "/", "", "").await });
    wait_for("the request to be taken", SOON, || async {
        proxy.in_flight() == 1
    })
    .await;
    proxy.set(Fault::Pass);
    let (answer, error) = hanging.await.unwrap();
    assert_eq!(
        (answer.as_str(), error),
        ("", Some(ErrorKind::ConnectionReset))
    );
    wait_for("the request to end", SOON, || async {
        proxy.in_flight() == 0
    })
    .await;
    assert!(ask(&proxy, "PUT", &path, "x").await.contains("200 OK"));
}

#[tokio::test]
async fn a_server_that_is_said_to_be_busy_is_not_asked_and_the_connection_goes_on() {
    let (server, path, proxy) = setup().await;
    proxy.set(Fault::SlowDown);
    let mut client = Client::connect(&proxy).await;
    let twice = format!("PUT {path} HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc").repeat(2);
    client.0.write_all(twice.as_bytes()).await.unwrap();
    client.0.shutdown().await.unwrap();
    let mut answer = String::new();
    client.0.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer.matches("503 Slow Down").count(), 2, "{answer}");
    assert_eq!(answer.matches("<Code>SlowDown</Code>").count(), 2);
    let bucket = path.split('/').nth(1).unwrap();
    assert!(server.versions(bucket).await.unwrap().is_empty());
}

#[tokio::test]
async fn only_the_method_that_was_named_meets_the_fault_and_as_late_as_was_said() {
    let (_server, path, proxy) = setup().await;
    proxy.set_on("GET", Fault::SlowDown);
    assert!(ask(&proxy, "PUT", &path, "x").await.contains("200 OK"));
    let client = Client::connect(&proxy).await;
    let (answer, _) = client.ask("GET", &path, "connection: close\r\n", "").await;
    assert!(answer.contains("503"), "{answer}");
    proxy.set_after("HEAD", 1, Fault::Refuse);
    assert!(ask(&proxy, "HEAD", &path, "").await.contains("200 OK"));
    let client = Client::connect(&proxy).await;
    let (_, error) = client.ask("HEAD", &path, "", "").await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn bodies_are_cut_where_they_were_to_be_and_an_answer_can_be_lost() {
    let (server, path, proxy) = setup().await;
    let bucket = path.split('/').nth(1).unwrap().to_owned();
    let body = "0123456789".repeat(10_000);
    proxy.set(Fault::CutRequest {
        after_bytes: 50_000,
    });
    let client = Client::connect(&proxy).await;
    let (answer, error) = client.ask("PUT", &path, "", &body).await;
    assert_eq!(answer, "");
    assert!(error.is_some());
    assert_eq!(proxy.traffic().request_body_bytes, 50_000);
    assert!(server.versions(&bucket).await.unwrap().is_empty());

    proxy.set(Fault::LoseAnswer);
    let client = Client::connect(&proxy).await;
    let (answer, error) = client.ask("PUT", &path, "", &body).await;
    assert_eq!(
        (answer.as_str(), error),
        ("", Some(ErrorKind::ConnectionReset))
    );
    assert_eq!(server.versions(&bucket).await.unwrap(), ["object"]);

    proxy.forget();
    proxy.set(Fault::CutResponse { after_bytes: 1_000 });
    let client = Client::connect(&proxy).await;
    let (answer, error) = client.ask("GET", &path, "", "").await;
    assert_eq!(error, Some(ErrorKind::ConnectionReset));
    assert!(!answer.contains(&body));
    assert_eq!(proxy.traffic().response_body_bytes, 1_000);
}

#[tokio::test]
async fn an_answer_says_something_else_of_what_was_stored_or_nothing() {
    let (_server, path, proxy) = setup().await;
    let checksum = "x-amz-sdk-checksum-algorithm: SHA256\r\n\
                    x-amz-checksum-sha256: LCa0a2j/xo/5m0U8HTBBNBNCLXBkg7+g+YpeiGJm564=\r\n";
    let mut said = Vec::new();
    for fault in [
        Fault::Pass,
        Fault::WrongEtag,
        Fault::WrongChecksum,
        Fault::NoChecksum,
    ] {
        proxy.set(fault);
        let client = Client::connect(&proxy).await;
        let (answer, _) = client.ask("PUT", &path, checksum, "foo").await;
        let answer = answer.to_ascii_lowercase();
        let header = |name: &str| {
            let line = answer.lines().find(|line| line.starts_with(name));
            line.map(|line| line[name.len()..].trim().to_owned())
        };
        said.push((header("etag:"), header("x-amz-checksum-sha256:")));
    }
    let right = &said[0];
    assert!(right.0.is_some() && right.1.is_some());
    assert!(said[1].0 != right.0 && said[1].0.is_some() && said[1].1 == right.1);
    assert!(said[2].1 != right.1 && said[2].1.is_some() && said[2].0 == right.0);
    assert_eq!(said[3], (None, None));
}

#[tokio::test]
async fn a_server_without_conditional_puts_says_so_to_those_alone() {
    let (_server, path, proxy) = setup().await;
    proxy.set(Fault::Unconditional);
    let close = "connection: close\r\n";
    let client = Client::connect(&proxy).await;
    let conditional = format!("{close}if-none-match: *\r\n");
    let (answer, _) = client.ask("PUT", &path, &conditional, "x").await;
    assert!(answer.contains("501 Not Implemented"), "{answer}");
    let client = Client::connect(&proxy).await;
    let (answer, _) = client.ask("PUT", &path, close, "x").await;
    assert!(answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn a_drip_and_a_delay_take_their_time() {
    let (_server, path, proxy) = setup().await;
    let timed = async |fault, method, body: &str| {
        proxy.set(fault);
        let began = sidetone_service::clock::now();
        ask(&proxy, method, &path, body).await;
        began.elapsed()
    };
    let drip = Fault::Drip {
        bytes_per_second: 2_000,
    };
    let body = "x".repeat(1_000);
    assert!(timed(drip, "PUT", &body).await >= Duration::from_millis(500));
    assert!(timed(drip, "GET", "").await >= Duration::from_millis(500));
    let delay = Duration::from_millis(300);
    assert!(timed(Fault::Delay(delay), "HEAD", "").await >= delay);
}

#[tokio::test]
async fn chunked_bodies_end_where_their_last_chunk_does() {
    let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = FaultProxy::start(server.local_addr().unwrap())
        .await
        .unwrap();
    let chunks = "4;a=b\r\nwiki\r\n10\r\n0123456789abcdef\r\n0\r\nx: y\r\n\r\n";
    let echo = tokio::spawn(async move {
        let (mut stream, _) = server.accept().await.unwrap();
        let mut request = vec![0; 4096];
        let mut read = 0;
        while !request[..read].ends_with(b"x: y\r\n\r\n") {
            read += stream.read(&mut request[read..]).await.unwrap();
        }
        let head =
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(chunks.as_bytes()).await.unwrap();
        // stays open: the proxy must know the end by itself
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        String::from_utf8(request[..read].to_vec()).unwrap()
    });
    let mut client = TcpStream::connect(proxy.address).await.unwrap();
    let request = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"x: y\r\n\r\n") {
        assert_ne!(client.read_buf(&mut answer).await.unwrap(), 0);
    }
    assert!(String::from_utf8(answer).unwrap().contains("100 Continue"));
    drop(client);
    let arrived = echo.await.unwrap();
    assert!(arrived.ends_with(chunks), "{arrived}");
}

#[tokio::test]
async fn connections_beyond_the_bound_are_closed() {
    let (_server, _path, proxy) = setup().await;
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        open.push(TcpStream::connect(proxy.address).await.unwrap());
    }
    let mut further = TcpStream::connect(proxy.address).await.unwrap();
    assert_eq!(further.read(&mut [0; 1]).await.unwrap(), 0);
}
