use proptest::prelude::*;

use super::*;

fn vapi() -> Policy {
    Policy::recordings("vapi", false).unwrap()
}

/// URLs that lead elsewhere than they seem to, or where nothing of ours may go.
pub(super) const HOSTILE: &[&str] = &[
    "",
    "storage.vapi.ai/a.wav",
    "//storage.vapi.ai/a.wav",
    "https:storage.vapi.ai/a.wav",
    "https:/storage.vapi.ai/a.wav",
    "https:///storage.vapi.ai/a.wav",
    "https:////storage.vapi.ai/a.wav",
    "https:\\\\storage.vapi.ai\\a.wav",
    "https://",
    "https://.vapi.ai/",
    "https://vapi.ai./a.wav",
    "https://storage.vapi.ai./a.wav",
    "https://storage..vapi.ai/a.wav/../..@x",
    "http://storage.vapi.ai/a.wav",
    "ws://storage.vapi.ai/a.wav",
    "wss://storage.vapi.ai/a.wav",
    "ftp://storage.vapi.ai/a.wav",
    "file:///etc/passwd",
    "file://storage.vapi.ai/etc/passwd",
    "gopher://storage.vapi.ai:443/_x",
    "data:audio/wav;base64,AAAA",
    "javascript:alert(1)",
    "unix:///run/docker.sock",
    "https://vapi.ai.evil.example/a.wav",
    "https://evilvapi.ai/a.wav",
    "https://vapi.ai-evil.example/a.wav",
    "https://evil.example/vapi.ai/a.wav",
    "https://evil.example/?vapi.ai",
    "https://evil.example#.vapi.ai",
    "https://evil.example#@storage.vapi.ai/",
    "https://storage.vapi.ai#@evil.example/",
    "https://evil.example\\@storage.vapi.ai/",
    "https://evil.example\\.vapi.ai/",
    "https://user@storage.vapi.ai/a.wav",
    "https://user:password@storage.vapi.ai/a.wav",
    "https://storage.vapi.ai@evil.example/a.wav",
    "https://storage.vapi.ai:443@evil.example/a.wav",
    "https://@storage.vapi.ai/a.wav",
    "https://:@storage.vapi.ai/a.wav",
    "https://storage.vapi.ai:80/a.wav",
    "https://storage.vapi.ai:22/a.wav",
    "https://storage.vapi.ai:8443/a.wav",
    "https://storage.vapi.ai:0/a.wav",
    "https://storage.vapi.ai:65536/a.wav",
    "https://storage.vapi.ai:443x/a.wav",
    "https://storage.vapi.ai:+443/a.wav",
    "https://127.0.0.1/a.wav",
    "https://127.1/a.wav",
    "https://127.0.0.1:443/a.wav",
    "https://0/a.wav",
    "https://0.0.0.0/a.wav",
    "https://2130706433/a.wav",
    "https://0x7f000001/a.wav",
    "https://0x7f.0.0.1/a.wav",
    "https://017700000001/a.wav",
    "https://0177.0.0.1/a.wav",
    "https://127.0.0.1.nip.io/a.wav",
    "https://10.0.0.1/a.wav",
    "https://100.64.0.1/a.wav",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/a.wav",
    "https://[::]/a.wav",
    "https://[::ffff:127.0.0.1]/a.wav",
    "https://[::ffff:7f00:1]/a.wav",
    "https://[64:ff9b::7f00:1]/a.wav",
    "https://[fe80::1]/a.wav",
    "https://[fe80::1%25eth0]/a.wav",
    "https://[fd00:ec2::254]/a.wav",
    "https://[2606:4700::1111]/a.wav",
    "https://8.8.8.8/a.wav",
    "https://localhost/a.wav",
    "https://localhost.localdomain/a.wav",
    "https://metadata/computeMetadata/v1/",
    "https://metadata.google.internal/computeMetadata/v1/",
    "https://%76api.ai/a.wav",
    "https://storage%2evapi.ai/a.wav",
    "https://storage.vapi.ai%00.evil.example/a.wav",
    "https://storage.vapi.ai%2f@evil.example/",
    "https://storage.vapi\u{3002}ai/a.wav",
    "https://storage.vapi\u{ff0e}ai/a.wav",
    "https://storage.v\u{430}pi.ai/a.wav",
    "https://storage.vapi.ai\u{2044}.evil.example/",
    "https://\u{24d8}\u{24de}.vapi.ai/a.wav",
    "https://1\u{2460}7.0.0.1/a.wav",
    "https://sto\u{ad}rage.vapi.ai/a.wav",
    "https://storage.vapi.ai\t/a.wav",
    "https://storage.vapi.ai\n.evil.example/",
    "https://storage.vapi.ai\r\nHost: evil.example/",
    " https://storage.vapi.ai/a.wav",
    "https://storage.vapi.ai /a.wav",
    "https://storage.vapi.ai/a b.wav",
    "https://storage.vapi.ai/a.wav#part",
    "https://storage.vapi.ai/a.wav\0",
];

#[test]
fn hostile_urls_are_refused_by_their_text() {
    for text in HOSTILE {
        let judged = check(text, Kind::Http, &vapi());
        assert!(judged.is_err(), "{text:?} passed");
    }
    let long = format!("https://storage.vapi.ai/{}", "a".repeat(MAX_CHARS));
    assert_eq!(
        check(&long, Kind::Http, &vapi()).unwrap_err(),
        Refusal::NotAUrl
    );
}

#[test]
fn what_vendors_really_send_passes() {
    let pass = |vendor, kind, text: &str| {
        let policy = Policy::recordings(vendor, false).unwrap();
        let host = check(text, kind, &policy).map(|target| target.host);
        assert!(host.is_ok(), "{text}: {host:?}");
    };
    let listen =
        "wss://phone-call-websocket.aws-us-west-2-backend-production1.vapi.ai/7420f27a/listen";
    pass("vapi", Kind::Socket, listen);
    pass("vapi", Kind::Http, "https://storage.vapi.ai/7420-1726.wav");
    pass(
        "vapi",
        Kind::Http,
        "HTTPS://Storage.Vapi.AI:443/a.wav?sig=a%2Fb%3D&t=1",
    );
    pass("vapi", Kind::Http, "https://vapi.ai");
    let signed = "https://dxc03zgurdly9.cloudfront.net/a/recording.wav?Expires=1&Signature=x~y_";
    pass("retell", Kind::Http, signed);
    pass(
        "twilio",
        Kind::Http,
        "https://api.twilio.com/2010-04-01/Accounts/AC1/Recordings/RE1.wav",
    );
    assert!(Policy::recordings("nobody", false).is_none());
}

#[test]
fn this_machine_is_dialled_only_where_that_is_allowed() {
    let local = Policy::recordings("vapi", true).unwrap();
    for text in [
        "http://127.0.0.1:8080/a.wav",
        "https://localhost/a.wav",
        "http://[::1]:9/",
    ] {
        assert!(check(text, Kind::Http, &local).is_ok(), "{text}");
        assert!(check(text, Kind::Http, &vapi()).is_err(), "{text}");
    }
    for text in [
        "http://storage.vapi.ai/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://localhost.evil.example/",
        "http://0.0.0.0/",
        "http://127.0.0.1@10.0.0.1/",
    ] {
        assert!(check(text, Kind::Http, &local).is_err(), "{text}");
    }
}

#[test]
fn targets_of_webhooks_are_ordinary_public_names() {
    let policy = Policy::webhooks(false);
    assert!(check("https://hooks.example.com/a?b", Kind::Http, &policy).is_ok());
    for text in [
        "https://intranet/",
        "https://db.internal/",
        "https://printer.local/",
        "https://1.0.0.127.in-addr.arpa/",
        "https://hooks.example.com./",
        "https://hooks.example.com:8443/",
        "http://hooks.example.com/",
    ] {
        assert!(check(text, Kind::Http, &policy).is_err(), "{text}");
    }
}

#[test]
fn redirects_are_judged_like_urls_from_outside() {
    let from = check("https://storage.vapi.ai/a/b.wav", Kind::Http, &vapi()).unwrap();
    let hop = |location| check_hop(&from, location, &vapi()).map(|target| target.url.to_string());
    assert_eq!(hop("../c.wav").unwrap(), "https://storage.vapi.ai/c.wav");
    let bucket = "https://x.r2.cloudflarestorage.com/c.wav?X-Amz-Signature=1";
    assert_eq!(hop(bucket).unwrap(), bucket);
    // a bucket is reached through the vendor only
    assert!(check(bucket, Kind::Http, &vapi()).is_err());
    for location in [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "//10.0.0.1/",
        "https://evil.example/",
        "http://storage.vapi.ai/",
        "\\\\evil.example/",
        "https://storage.vapi.ai@evil.example/",
        "file:///etc/passwd",
    ] {
        assert!(hop(location).is_err(), "{location}");
    }
    // nobody outside sends us to this machine, even where it may be dialled
    let local = Policy::recordings("vapi", true).unwrap();
    assert!(check_hop(&from, "http://127.0.0.1:9/", &local).is_err());
}

#[test]
fn what_is_refused_names_neither_path_nor_query() {
    for text in HOSTILE
        .iter()
        .chain(&["https://evil.example/secret?token=secret"])
    {
        let Err(refusal) = check(text, Kind::Http, &vapi()) else {
            continue;
        };
        let said = refusal.to_string();
        for part in ["secret", "token", "passwd", "meta-data", "a.wav"] {
            assert!(!said.contains(part), "{said}");
        }
    }
}

/// Text that is made of what URLs are attacked with.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "https",
        "http",
        "wss",
        ":",
        "/",
        "//",
        "\\",
        "@",
        "#",
        "?",
        ".",
        "..",
        "vapi.ai",
        "storage",
        "evil.example",
        "127.0.0.1",
        "[::1]",
        "443",
        "80",
        "%2e",
        "%00",
        "0x7f",
        "\t",
        "\u{3002}",
        "localhost",
        "-",
        "a",
    ]);
    prop_oneof![
        prop::collection::vec(piece.clone(), 0..12).prop_map(|parts| parts.concat()),
        prop::collection::vec(piece, 0..8).prop_map(|parts| format!("https://{}", parts.concat())),
        any::<String>(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn whatever_passes_leads_to_the_vendor_by_tls_at_port_443(text in hostile()) {
        if let Ok(target) = check(&text, Kind::Http, &vapi()) {
            prop_assert!(target.host == "vapi.ai" || target.host.ends_with(".vapi.ai"));
            prop_assert_eq!(target.url.scheme(), "https");
            prop_assert_eq!(target.url.port_or_known_default(), Some(443));
            prop_assert!(target.url.username().is_empty() && target.url.password().is_none());
            prop_assert_eq!(target.url.host_str(), Some(target.host.as_str()));
        }
    }

    #[test]
    fn whatever_a_redirect_says_it_leads_to_a_listed_host(text in hostile()) {
        let from = check("https://storage.vapi.ai/a", Kind::Http, &vapi()).unwrap();
        if let Ok(target) = check_hop(&from, &text, &vapi()) {
            prop_assert!(is_listed(&target.host, &[".vapi.ai"]) || is_listed(&target.host, vapi().onward));
            prop_assert_eq!(target.url.scheme(), "https");
            prop_assert_eq!(target.url.port_or_known_default(), Some(443));
        }
    }
}
