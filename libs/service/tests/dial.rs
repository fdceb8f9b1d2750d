//! The dialler against servers and resolvers that mean harm, on loopback.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers are tests: what fails there fails the test"
)]

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::HeaderMap;
use sidetone_service::clock;
use sidetone_service::dial::{DialError, Dialler, Limits, Policy, Refusal, Resolve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A resolver that answers from a list, one entry per question, the last one for ever.
struct Scripted {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Scripted {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |list: &&[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().rev().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

#[async_trait]
impl Resolve for Scripted {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        if answers.len() > 1 {
            Ok(answers.pop().unwrap())
        } else {
            Ok(answers.last().cloned().unwrap_or_default())
        }
    }
}

/// A server that gives each connection to a closure after reading its request's head.
struct Server {
    port: u16,
    connects: Arc<AtomicUsize>,
}

impl Server {
    async fn on<F>(address: &str, serve: impl Fn(TcpStream, String) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connects = Arc::new(AtomicUsize::new(0));
        let counted = connects.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else {
                        break;
                    };
                    head.push(byte);
                }
                tokio::spawn(serve(stream, String::from_utf8(head).unwrap()));
            }
        });
        Self { port, connects }
    }

    /// Says the same to everybody, then closes.
    async fn says(answer: impl Into<String>) -> Self {
        let answer = answer.into();
        Self::on("127.0.0.1:0", move |mut stream, _| {
            let answer = answer.clone();
            async move {
                drop(stream.write_all(answer.as_bytes()).await);
            }
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/secret/path?token=secret", self.port)
    }

    fn connects(&self) -> usize {
        self.connects.load(Ordering::SeqCst)
    }
}

fn local() -> Policy {
    let policy = Policy::recordings("vapi", true).unwrap();
    Policy {
        limits: Limits {
            connect: Duration::from_millis(500),
            answer: Duration::from_millis(500),
            idle: Duration::from_millis(300),
            total: Duration::from_secs(2),
            bytes: 10_000,
            bytes_per_second: 1000,
        },
        ..policy
    }
}

async fn get(url: &str) -> Result<Vec<u8>, DialError> {
    let dialler = Dialler::new(local()).unwrap();
    dialler.get(url, HeaderMap::new()).await?.whole().await
}

fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn redirect(status: u16, to: &str) -> String {
    format!("HTTP/1.1 {status} Moved\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n")
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_and_nobody_is_dialled() {
    let canary = Server::says(ok("inside")).await;
    let six = Server::on("[::1]:0", async |_, _| {}).await;
    for address in [
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fd00::1",
        "0.0.0.0",
    ] {
        // with a good address beside it, too
        for answer in [vec![address], vec!["8.8.8.8", address]] {
            let resolver = Scripted::new(&[&answer]);
            // even where this machine may be dialled, a vendor's name must not lead to it
            let dialler = Dialler::with_resolver(local(), resolver).unwrap();
            let got = dialler
                .get("https://storage.vapi.ai/a", HeaderMap::new())
                .await;
            let socket = dialler
                .socket("wss://storage.vapi.ai/a", HeaderMap::new())
                .await;
            for error in [got.unwrap_err(), socket.unwrap_err()] {
                assert!(
                    matches!(&error, DialError::Refused(Refusal::Address { .. })),
                    "{address}: {error}"
                );
                assert!(!error.is_temporary());
            }
        }
    }
    assert_eq!((canary.connects(), six.connects()), (0, 0));
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_dialled() {
    let server = Server::says(ok("right")).await;
    let canary = Server::on(&format!("127.0.0.2:{}", server.port), async |_, _| {}).await;
    // a second question would be answered otherwise: nobody asks it
    let resolver = Scripted::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let dialler = Dialler::with_resolver(local(), resolver.clone()).unwrap();
    let url = format!("http://localhost:{}/", server.port);
    let answer = dialler.get(&url, HeaderMap::new()).await.unwrap();
    assert_eq!(answer.whole().await.unwrap(), b"right");
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    assert_eq!((server.connects(), canary.connects()), (1, 0));

    // the name turns to an inner address between two uses: the second one is refused
    let resolver = Scripted::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let dialler = Dialler::with_resolver(local(), resolver).unwrap();
    assert!(dialler.get(&url, HeaderMap::new()).await.is_ok());
    let error = dialler.get(&url, HeaderMap::new()).await.unwrap_err();
    assert!(matches!(error, DialError::Refused(Refusal::Address { .. })));
}

#[tokio::test]
async fn a_redirect_to_an_inner_address_is_refused() {
    for status in [301, 302, 303, 307, 308] {
        for to in [
            "http://169.254.169.254/latest/meta-data/",
            "https://169.254.169.254/",
            "http://10.0.0.1/",
            "http://[fd00:ec2::254]/",
            "https://evil.example/",
            "file:///etc/passwd",
        ] {
            let server = Server::says(redirect(status, to)).await;
            let error = get(&server.url()).await.unwrap_err();
            assert!(matches!(error, DialError::Refused(_)), "{to}: {error}");
        }
    }
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_never_where_they_are_not_expected() {
    let end = Server::says(ok("end")).await;
    let mut servers = vec![end];
    for hops in 1..=4 {
        let next = servers.last().unwrap().url();
        servers.push(Server::says(redirect(302, &next)).await);
        let got = get(&servers.last().unwrap().url()).await;
        if hops <= 3 {
            assert_eq!(got.unwrap(), b"end");
        } else {
            let error = got.unwrap_err();
            assert!(matches!(error, DialError::Redirected { .. }), "{error}");
        }
    }
    let hooks = Dialler::new(Policy::webhooks(true)).unwrap();
    for answer in [
        hooks.get(&servers[1].url(), HeaderMap::new()).await,
        hooks.post(&servers[1].url(), HeaderMap::new(), "{}").await,
    ] {
        assert!(matches!(answer, Err(DialError::Redirected { .. })));
    }
}

#[tokio::test]
async fn credentials_are_not_taken_along_to_another_host() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let noted = heads.clone();
    let end = Server::on("127.0.0.1:0", move |mut stream, head| {
        noted.lock().unwrap().push(head);
        async move { drop(stream.write_all(ok("").as_bytes()).await) }
    })
    .await;
    let other = format!("http://localhost:{}/", end.port);
    let first = Server::says(redirect(302, &other)).await;
    let mut headers = HeaderMap::new();
    headers.insert("authorization", "Bearer secret".parse().unwrap());
    headers.insert("range", "bytes=5-".parse().unwrap());
    let resolver = Scripted::new(&[&["127.0.0.1"]]);
    let dialler = Dialler::with_resolver(local(), resolver).unwrap();
    dialler.get(&first.url(), headers).await.unwrap();
    let head = heads.lock().unwrap().remove(0).to_lowercase();
    assert!(!head.contains("authorization"), "{head}");
    assert!(head.contains("range: bytes=5-"), "{head}");
    assert!(
        !head.contains("referer") && !head.contains("accept-encoding"),
        "{head}"
    );
}

#[tokio::test]
async fn too_large_and_endless_bodies_are_cut() {
    // it says so: not a byte of it is waited for
    let said = Server::says("HTTP/1.1 200 OK\r\ncontent-length: 10737418240\r\n\r\n").await;
    let endless = Server::on("127.0.0.1:0", async |mut stream, _| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        drop(stream.write_all(head.as_bytes()).await);
        let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
        while stream.write_all(chunk.as_bytes()).await.is_ok() {}
    })
    .await;
    for server in [said, endless] {
        let error = get(&server.url()).await.unwrap_err();
        assert!(
            matches!(
                error,
                DialError::TooLarge {
                    limit_bytes: 10_000,
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_is_packed_is_not_unpacked() {
    let packed = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nbomb";
    let server = Server::says(packed).await;
    assert_eq!(get(&server.url()).await.unwrap(), b"bomb");
}

#[tokio::test]
async fn slow_peers_are_ended() {
    let silent = Server::on("127.0.0.1:0", async |stream, _| {
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(stream);
    })
    .await;
    let drip = |text: &'static str, every: u64| async move {
        Server::on("127.0.0.1:0", move |mut stream, _| async move {
            drop(stream.write_all(text.as_bytes()).await);
            loop {
                tokio::time::sleep(Duration::from_millis(every)).await;
                if stream.write_all(b"x").await.is_err() {
                    break;
                }
            }
        })
        .await
    };
    let head = "HTTP/1.1 200 OK\r\n";
    let body = "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n";
    let servers = [
        silent,
        drip(head, 20).await,     // headers that never end
        drip(body, 20).await,     // a byte now and then
        drip(body, 60_000).await, // a body that stops
    ];
    for (n, server) in servers.into_iter().enumerate() {
        let began = clock::now();
        let error = get(&server.url()).await.unwrap_err();
        assert!(matches!(error, DialError::TooSlow { .. }), "{n}: {error}");
        assert!(error.is_temporary());
        assert!(clock::now() - began < Duration::from_secs(2), "{n}");
    }
}

#[tokio::test]
async fn errors_are_clear_and_tell_nothing_of_the_url() {
    let cut = Server::says("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort").await;
    let nonsense = Server::says("nonsense\r\n\r\n").await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let refused = format!("http://127.0.0.1:{port}/secret/path?token=secret");
    for (url, expected) in [
        (cut.url(), "broke off"),
        (nonsense.url(), "cannot be reached"),
        // TLS is spoken to it, and it waits for a request
        (nonsense.url().replace("http:", "https:"), "is too slow"),
        (refused, "cannot be reached"),
        ("https://evil.example/secret?token=secret".into(), "refused"),
    ] {
        let error = get(&url).await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(expected), "{said}");
        assert!(
            !said.contains("secret") && !said.contains("token"),
            "{said}"
        );
    }
    let nowhere = Scripted::new(&[&[]]);
    let dialler = Dialler::with_resolver(local(), nowhere).unwrap();
    let error = dialler
        .get("https://storage.vapi.ai/secret", HeaderMap::new())
        .await;
    let error = error.unwrap_err();
    assert!(matches!(error, DialError::Unresolved { .. }), "{error}");
    assert!(error.is_temporary());
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_not_asked() {
    let proxy = Server::says(ok("proxied")).await;
    let server = Server::says(ok("direct")).await;
    let proxy_url = format!("http://127.0.0.1:{}", proxy.port);
    // a process of its own: the environment is the whole process's
    if std::env::var("DIAL_CHILD").is_ok() {
        let url = std::env::var("DIAL_URL").unwrap();
        assert_eq!(get(&url).await.unwrap(), b"direct");
        return;
    }
    let child = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["the_proxy_of_the_environment_is_not_asked", "--exact"])
        .env("DIAL_CHILD", "1")
        .env("DIAL_URL", server.url())
        .env("http_proxy", &proxy_url)
        .env("HTTP_PROXY", &proxy_url)
        .env("ALL_PROXY", &proxy_url)
        .output();
    let output = child.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((proxy.connects(), server.connects()), (0, 1));
}

#[tokio::test]
async fn web_sockets_go_through_the_same_guard() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            socket.send("hello".into()).await.unwrap();
            // more than one message may be
            drop(socket.send("x".repeat(20_000).into()).await);
            drop(socket.next().await);
        }
    });
    let dialler = Dialler::new(local()).unwrap();
    let url = format!("ws://127.0.0.1:{port}/secret");
    let mut socket = dialler.socket(&url, HeaderMap::new()).await.unwrap();
    let message = socket.next().await.unwrap().unwrap();
    assert_eq!(message.into_text().unwrap().as_str(), "hello");
    assert!(
        socket.next().await.unwrap().is_err(),
        "a message of any size"
    );

    let closed = Dialler::new(Policy::live("vapi", false).unwrap()).unwrap();
    assert!(closed.socket(&url, HeaderMap::new()).await.is_err());
    assert!(closed.check(&url).is_err());
    assert_eq!(closed.check("wss://a.vapi.ai/b/listen"), Ok(()));

    let moved = Server::says(redirect(302, "ws://127.0.0.1:1/")).await;
    let refused = Server::says("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
    let silent = Server::on("127.0.0.1:0", async |stream, _| {
        tokio::time::sleep(Duration::from_secs(30)).await;
        drop(stream);
    })
    .await;
    let open = async |server: &Server| {
        let url = format!("ws://127.0.0.1:{}/secret", server.port);
        dialler.socket(&url, HeaderMap::new()).await.unwrap_err()
    };
    assert!(matches!(open(&moved).await, DialError::Redirected { .. }));
    assert!(matches!(
        open(&refused).await,
        DialError::Status { status: 403, .. }
    ));
    let error = open(&silent).await;
    assert!(matches!(error, DialError::TooSlow { .. }), "{error}");
}

#[tokio::test]
async fn what_others_open_is_vetted_by_its_text_and_by_every_address_of_its_name() {
    let vetted = async |url: &str, addresses: &[&str]| {
        let policy = Policy::rooms("retell", false).unwrap();
        let dialler = Dialler::with_resolver(policy, Scripted::new(&[addresses])).unwrap();
        dialler.vet(url).await
    };
    let public = "93.184.216.34";
    for url in ["wss://rtc.retellai.com", "wss://retell-1.livekit.cloud/"] {
        assert_eq!(vetted(url, &[public]).await, Ok(()));
        for inner in ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1"] {
            let refused = vetted(url, &[public, inner]).await.unwrap_err();
            assert!(
                matches!(refused, DialError::Refused(Refusal::Address { .. })),
                "{refused}"
            );
        }
    }
    for url in ["wss://livekit.cloud.example", "ws://rtc.retellai.com"] {
        let refused = vetted(url, &[public]).await;
        assert!(matches!(refused, Err(DialError::Refused(_))), "{url}");
    }
    assert!(Policy::rooms("vapi", false).is_none());
}
