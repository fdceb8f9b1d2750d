//! Everything that is not a credential, though it looks like one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use sidetone_service::clock;
use sidetone_wire::Timestamp;

use super::SECRET_KEY;
use crate::world::{User, World, within};

/// A bad credential of somebody who would otherwise be an admin of the victim's tenant.
pub(super) struct Bad {
    pub(super) name: &'static str,
    /// What a socket would show; `None`: it is no token.
    pub(super) token: Option<String>,
    pub(super) user: User,
    header: Option<(&'static str, String)>,
}

impl Bad {
    /// The request with nothing but the bad credential.
    pub(super) fn shown(&self, request: RequestBuilder) -> RequestBuilder {
        let (client, request) = request.build_split();
        let mut request = request.unwrap();
        request.headers_mut().remove("authorization");
        if let Some((name, value)) = &self.header {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        RequestBuilder::from_parts(client, request)
    }

    pub(super) async fn all(world: &World, victim: &User) -> Vec<Self> {
        let mut all = Vec::new();
        let mut token = |name, token: String| {
            all.push(Self {
                name,
                header: Some(("authorization", format!("Bearer {token}"))),
                token: Some(token),
                user: victim.clone(),
            });
        };
        for (name, text) in forged(&victim.token) {
            token(name, text);
        }
        token("a revoked session", revoked_session(world).await);
        token(
            "a disabled user's session",
            disabled_user(world, victim).await,
        );
        let good = new_key(victim, &json!({"name": "good", "role": "admin"})).await;
        let key = good["key"].as_str().unwrap().to_owned();
        assert_eq!(world.bearer(&key).get("/api/me").await.0, StatusCode::OK);
        let end = if key.ends_with('A') { 'E' } else { 'A' };
        token(
            "a key with another end",
            format!("{}{end}", &key[..key.len() - 1]),
        );
        token(
            "a key's beginning",
            good["hint"].as_str().unwrap().to_owned(),
        );
        token("a revoked key", revoked_key(victim).await);
        token("an expired key", expired_key(world, victim).await);
        for (name, header) in [
            ("nothing", None),
            (
                "an empty word",
                Some(("authorization", "Bearer ".to_owned())),
            ),
            ("no scheme", Some(("authorization", victim.token.clone()))),
            (
                "another scheme",
                Some(("authorization", format!("Basic {}", victim.token))),
            ),
            (
                "a key as a cookie",
                Some(("cookie", format!("sidetone_session={key}"))),
            ),
            (
                "garbage as a cookie",
                Some(("cookie", "sidetone_session=x.y.z".to_owned())),
            ),
        ] {
            all.push(Self {
                name,
                token: None,
                user: victim.clone(),
                header,
            });
        }
        all
    }
}

/// Tokens that name the victim's own, valid session, each with one thing wrong.
fn forged(good: &str) -> Vec<(&'static str, String)> {
    let parts: Vec<&str> = good.split('.').collect();
    let [head, payload, signature] = parts[..] else {
        panic!("{good} has not three parts");
    };
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let raw = |header: Value, signature: &str| {
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        format!("{header}.{payload}.{signature}")
    };
    let mut other = claims.clone();
    other["sub"] = json!(clock::new_id().to_string());
    let other = URL_SAFE_NO_PAD.encode(other.to_string());
    let two_keys = json!({"alg": "RS256", "typ": "JWT"});
    let cut = good[..good.len() - 1].to_owned();
    let mut all = vec![
        ("garbage", "garbage".to_owned()),
        ("three words", "a.b.c".to_owned()),
        (
            "no algorithm",
            raw(json!({"alg": "none", "typ": "JWT"}), ""),
        ),
        (
            "no algorithm and the signature",
            raw(json!({"alg": "none"}), signature),
        ),
        ("an algorithm with two keys", raw(two_keys, signature)),
        (
            "a payload that was changed",
            format!("{head}.{other}.{signature}"),
        ),
        ("a signature that was cut", cut),
        ("no signature", format!("{head}.{payload}.")),
    ];
    all.extend(well_signed(&claims));
    all
}

/// The same under our own key, as only we could make them, but for one.
fn well_signed(claims: &Value) -> Vec<(&'static str, String)> {
    let key = EncodingKey::from_secret(SECRET_KEY.as_bytes());
    let plain = Header::new(Algorithm::HS256);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        encode(&plain, &claims, &key).unwrap()
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        encode(&plain, &claims, &key).unwrap()
    };
    let headed = |change: &dyn Fn(&mut Header)| {
        let mut header = plain.clone();
        change(&mut header);
        encode(&header, claims, &key).unwrap()
    };
    let now = clock::wall() / 1000;
    let never = json!(clock::new_id().to_string());
    let place = "https://evil.example/keys";
    let theirs = EncodingKey::from_secret(b"a key that somebody else has made up");
    vec![
        ("an expired token", with("exp", json!(now - 120))),
        ("a token of tomorrow", with("nbf", json!(now + 120))),
        ("another audience", with("aud", json!("somebody-else"))),
        ("another issuer", with("iss", json!("somebody-else"))),
        ("no end", without("exp")),
        ("no audience", without("aud")),
        ("no issuer", without("iss")),
        ("a session that never was", with("jti", never)),
        (
            "another algorithm",
            headed(&|header| header.alg = Algorithm::HS512),
        ),
        (
            "a foreign key's name",
            headed(&|header| header.kid = Some("theirs".into())),
        ),
        (
            "a foreign key's place",
            headed(&|header| header.jku = Some(place.into())),
        ),
        ("a foreign key", encode(&plain, claims, &theirs).unwrap()),
    ]
}

async fn revoked_session(world: &World) -> String {
    let user = world.login("victim-admin", "user-password").await;
    let (status, _) = user.send(Method::POST, "/api/auth/logout").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    user.token
}

async fn disabled_user(world: &World, victim: &User) -> String {
    let new = json!({"username": "gone", "password": "user-password", "role": "admin"});
    let (status, user) = victim.post("/api/users", &new).await;
    assert_eq!(status, StatusCode::CREATED, "{user}");
    let gone = world.login("gone", "user-password").await;
    let path = format!("/api/users/{}", gone.id);
    let (status, _) = victim.patch(&path, &json!({"disabled": true})).await;
    assert_eq!(status, StatusCode::OK);
    gone.token
}

async fn new_key(victim: &User, new: &Value) -> Value {
    let (status, key) = victim.post("/api/api-keys", new).await;
    assert_eq!(status, StatusCode::CREATED, "{key}");
    key
}

async fn revoked_key(victim: &User) -> String {
    let key = new_key(victim, &json!({"name": "revoked", "role": "admin"})).await;
    let path = format!("/api/api-keys/{}", key["id"].as_str().unwrap());
    let (status, _) = victim.send(Method::DELETE, &path).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    key["key"].as_str().unwrap().to_owned()
}

async fn expired_key(world: &World, victim: &User) -> String {
    let end = Timestamp::from_unix_ms(clock::wall() + 300);
    let new = json!({"name": "short", "role": "admin", "expiresAt": end});
    let key = new_key(victim, &new).await["key"]
        .as_str()
        .unwrap()
        .to_owned();
    let user = world.bearer(&key);
    let over = within(async || user.get("/api/me").await.0 == StatusCode::UNAUTHORIZED);
    assert!(over.await, "the key never expired");
    key
}
