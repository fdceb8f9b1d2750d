use std::sync::Mutex;

use base64::Engine as _;
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

fn keyring() -> Keyring {
    let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    Keyring::from_base64(&SecretString::from(key)).unwrap()
}

fn webhooks() -> Webhooks {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut policy = Policy::webhooks(true);
    policy.limits.answer = Duration::from_millis(300);
    policy.limits.idle = Duration::from_millis(300);
    Webhooks::with_policy(keyring(), policy).unwrap()
}

fn outgoing(webhooks: &Webhooks, url: &str) -> Outgoing {
    let subscription = clock::new_id();
    let (_, secret) = webhooks.new_secret(subscription).unwrap();
    Outgoing {
        subscription,
        url: url.to_owned(),
        secrets: vec![secret],
        message_id: "msg_1".to_owned(),
        payload: "{}".to_owned(),
        attempts: 1,
        created_at: now(),
        failing_since: None,
    }
}

/// A receiver that answers every request with that text, or with nothing at all.
async fn receiver(answer: Option<&'static str>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let noted = heard.clone();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = vec![0; 8192];
            let count = stream.read(&mut bytes).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            noted.lock().unwrap().push(text);
            if let Some(answer) = answer {
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            open.push(stream);
        }
    });
    (url, heard)
}

fn answer(sent: &Sent) -> (Option<u16>, String) {
    match sent {
        Sent::Taken(status) => (Some(*status), "taken".to_owned()),
        Sent::Gone => (Some(410), "gone".to_owned()),
        Sent::Refused(status, why, _) => (*status, why.clone()),
        Sent::Never(why) => (None, format!("never: {why}")),
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_is_left_and_tried_again() {
    let webhooks = webhooks();
    let (url, heard) = receiver(None).await;
    let outgoing = outgoing(&webhooks, &url);
    let sent = webhooks.send(&outgoing, now()).await;
    let (status, why) = answer(&sent);
    assert_eq!(status, None);
    assert!(why.contains("too slow"), "{why}");
    assert_eq!(heard.lock().unwrap().len(), 1);
    let judged = judge(&outgoing, sent, Duration::ZERO, now());
    assert_eq!(judged.state, DeliveryState::Pending);
    assert!(judged.disable.is_none());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let webhooks = webhooks();
    let (elsewhere, heard) = receiver(Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")).await;
    let text =
        format!("HTTP/1.1 307 Elsewhere\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
    let (url, _) = receiver(Some(text.leak())).await;
    let (_, why) = answer(&webhooks.send(&outgoing(&webhooks, &url), now()).await);
    assert!(why.contains("redirects"), "{why}");
    assert!(heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_headers_are_those_of_the_standard() {
    let webhooks = webhooks();
    let (url, heard) = receiver(Some("HTTP/1.1 204 No Content\r\n\r\n")).await;
    let mut outgoing = outgoing(&webhooks, &url);
    let (_, former) = webhooks.new_secret(outgoing.subscription).unwrap();
    outgoing.secrets.push(former);
    let at = now();
    let sent = webhooks.send(&outgoing, at).await;
    assert_eq!(answer(&sent), (Some(204), "taken".to_owned()));
    let request = heard.lock().unwrap()[0].to_lowercase();
    let seconds = at.unix_ms() / 1000;
    for part in [
        "post /hook http/1.1\r\n".to_owned(),
        "content-type: application/json\r\n".to_owned(),
        "webhook-id: msg_1\r\n".to_owned(),
        format!("webhook-timestamp: {seconds}\r\n"),
    ] {
        assert!(request.contains(&part), "{part} in {request}");
    }
    let line = request
        .lines()
        .find(|line| line.starts_with("webhook-signature: "));
    assert_eq!(line.unwrap().matches("v1,").count(), 2);
}

#[test]
fn only_https_to_public_names_is_subscribed() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let webhooks = Webhooks::new(keyring(), false).unwrap();
    assert!(webhooks.check("https://hooks.example.com/a?b=c").is_ok());
    for url in [
        "http://hooks.example.com/",
        "wss://hooks.example.com/",
        "https://127.0.0.1/",
        "http://127.0.0.1:8080/",
        "https://localhost/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://user:pw@hooks.example.com/",
        "https://hooks.example.com:8443/",
        "https://intranet/",
        "https://metadata.google.internal/",
        "ftp://hooks.example.com/",
        "",
    ] {
        assert!(webhooks.check(url).is_err(), "{url}");
    }
}

#[test]
fn waits_grow_up_to_hours_and_what_a_receiver_asks_for_is_heeded() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    for attempts in 1..40 {
        let longest = FIRST_WAIT
            .saturating_mul(4_u32.saturating_pow(attempts - 1))
            .min(LAST_WAIT);
        let waited = wait(attempts);
        assert!(
            longest / 2 <= waited && waited <= longest,
            "{attempts}: {waited:?}"
        );
    }
    let at = Timestamp::from_unix_ms(1_790_000_000_000); // 2026-09-21 14:13:20
    assert_eq!(retry_after("120", at), Some(Duration::from_mins(2)));
    assert_eq!(
        retry_after("Mon, 21 Sep 2026 14:14:20 GMT", at),
        Some(Duration::from_mins(1))
    );
    assert_eq!(retry_after("99999999999", at), Some(ASKED_WAIT));
    assert_eq!(retry_after("soon", at), None);
    let webhooks = webhooks();
    let outgoing = Outgoing {
        created_at: at,
        ..outgoing(&webhooks, "http://127.0.0.1:1/")
    };
    let refused = Sent::Refused(Some(503), "busy".into(), Some(Duration::from_mins(10)));
    let judged = judge(&outgoing, refused, Duration::ZERO, at);
    assert_eq!(judged.next, Some(after(at, Duration::from_mins(10))));
}

#[test]
fn after_three_days_a_delivery_is_given_up_and_a_deaf_receiver_is_switched_off() {
    let webhooks = webhooks();
    let mut outgoing = outgoing(&webhooks, "http://127.0.0.1:1/");
    let refused = || Sent::Refused(Some(500), "it answered with status 500".into(), None);
    let late = after(outgoing.created_at, PATIENCE);
    let judged = judge(&outgoing, refused(), Duration::ZERO, late);
    assert_eq!((judged.state, judged.next), (DeliveryState::Failed, None));
    assert_eq!(judged.disable, None, "others were delivered meanwhile");
    outgoing.failing_since = Some(outgoing.created_at);
    assert_eq!(
        judge(&outgoing, refused(), Duration::ZERO, late).disable,
        Some(DEAF)
    );
    let gone = judge(&outgoing, Sent::Gone, Duration::ZERO, outgoing.created_at);
    assert_eq!(
        (gone.state, gone.disable),
        (DeliveryState::Failed, Some(GONE))
    );
    let never = Sent::Never("no".into());
    let never = judge(&outgoing, never, Duration::ZERO, outgoing.created_at);
    assert_eq!((never.state, never.next), (DeliveryState::Failed, None));
}
