use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_testkit::database;

use crate::world::{ADMIN_PASSWORD, World, answer};

#[tokio::test]
async fn login_gives_a_bearer_token_and_the_user() {
    let world = World::new().await;
    let response = world.try_login("Admin", ADMIN_PASSWORD).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["token_type"], "bearer");
    assert_eq!(body["expires_in"], 28_800);
    assert_eq!(body["user"]["username"], "admin");
    assert_eq!(body["user"]["role"], "admin");

    let form = world
        .request(Method::POST, "/api/login")
        .form(&[("username", "admin"), ("password", ADMIN_PASSWORD)]);
    let (status, body) = answer(form).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body["access_token"].is_string());

    let me = world.admin().await.read("/api/me").await;
    assert_eq!(me["clientName"], "Default");
    assert_eq!(me["id"], body["user"]["id"]);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_get_the_same_401() {
    let world = World::new().await;
    let mut details = Vec::new();
    for (username, password) in [("admin", "wrong"), ("nobody", "wrong"), ("", "")] {
        let response = world.try_login(username, password).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], "wrong_credentials");
        details.push(body["detail"].clone());
    }
    assert!(details.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn the_eleventh_wrong_try_in_a_minute_is_429_even_with_the_right_password() {
    let world = World::new().await;
    let tries = (0..10).map(|_| world.try_login("admin", "wrong"));
    for response in futures_util::future::join_all(tries).await {
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }
    for password in ["wrong", ADMIN_PASSWORD] {
        let response = world.try_login("ADMIN", password).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait = response.headers()["retry-after"].to_str().unwrap();
        assert!((1..=61).contains(&wait.parse::<u32>().unwrap()), "{wait}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["code"], "rate_limited");
    }
    let other = world.try_login("somebody-else", "wrong").await;
    assert_eq!(other.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn logout_ends_the_session_at_once_and_only_that_one() {
    let world = World::new().await;
    let (one, other) = (world.admin().await, world.admin().await);
    let (status, _) = one.send(Method::POST, "/api/auth/logout").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, body) = one.get("/api/me").await;
    assert_eq!(
        (status, body["code"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("unauthenticated"))
    );
    assert_eq!(other.get("/api/me").await.0, StatusCode::OK);
    let (status, _) = other.send(Method::POST, "/api/logout").await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(other.get("/api/me").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_that_was_tampered_with_is_refused() {
    let world = World::new().await;
    let mut user = world.admin().await;
    for token in [
        "nonsense".to_owned(),
        format!("{}x", user.token),
        user.token.replacen('.', "..", 1),
        String::new(),
    ] {
        user.token = token;
        assert_eq!(user.get("/api/me").await.0, StatusCode::UNAUTHORIZED);
    }
    let (status, _) = answer(world.request(Method::GET, "/api/me")).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_dashboards_cookie_works_and_writes_need_the_csrf_word() {
    let world = World::new().await;
    let response = world.try_login("admin", ADMIN_PASSWORD).await;
    let cookies: Vec<&str> = response
        .headers()
        .get_all("set-cookie")
        .iter()
        .map(|cookie| cookie.to_str().unwrap())
        .collect();
    let value = |name: &str| {
        let cookie = cookies.iter().find(|cookie| cookie.starts_with(name));
        let cookie = cookie.unwrap_or_else(|| panic!("no {name} in {cookies:?}"));
        cookie[name.len() + 1..].split(';').next().unwrap()
    };
    let session = cookies
        .iter()
        .find(|cookie| cookie.starts_with("sidetone_session="))
        .unwrap();
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Strict"));
    let cookie = format!("a=b; sidetone_session={}", value("sidetone_session"));
    let profile = |csrf: &str| {
        world
            .request(Method::PUT, "/api/me/profile")
            .header("cookie", &cookie)
            .header("x-csrf-token", csrf)
            .json(&json!({"full_name": "Ada Admin"}))
    };
    let read = world.request(Method::GET, "/api/me");
    let (status, _) = answer(read.header("cookie", &cookie)).await;
    assert_eq!(status, StatusCode::OK);
    for csrf in ["", "wrong"] {
        let (status, body) = answer(profile(csrf)).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert_eq!(body["code"], "csrf_failed");
    }
    let (status, body) = answer(profile(value("sidetone_csrf"))).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["fullName"], "Ada Admin");
}

#[tokio::test]
async fn a_foreign_page_cannot_log_anybody_in() {
    let world = World::with(&[("CORS_ORIGINS", "https://desk.example")]).await;
    for (origin, expected) in [
        ("https://evil.example", StatusCode::FORBIDDEN),
        ("https://desk.example", StatusCode::OK),
    ] {
        let login = world
            .request(Method::POST, "/api/auth/login")
            .header("origin", origin)
            .json(&json!({"username": "admin", "password": ADMIN_PASSWORD}));
        assert_eq!(answer(login).await.0, expected, "{origin}");
    }
}

#[tokio::test]
async fn a_profile_is_changed_and_its_fields_are_checked() {
    let world = World::new().await;
    let admin = world.admin().await;
    let put = |body: Value| answer(admin.request(Method::PUT, "/api/me/profile").json(&body));
    let (status, body) = put(json!({"full_name": "  Ada  ", "forwarding_number": "+49301"})).await;
    assert_eq!((status, &body["fullName"]), (StatusCode::OK, &json!("Ada")));
    assert_eq!(admin.read("/api/me").await["forwardingNumber"], "+49301");
    let (_, body) = put(json!({"forwarding_number": ""})).await;
    assert_eq!(body.get("forwardingNumber"), None);
    for (body, field) in [
        (json!({"full_name": " "}), "full_name"),
        (json!({"full_name": "x".repeat(201)}), "full_name"),
        (
            json!({"forwarding_number": "1".repeat(129)}),
            "forwarding_number",
        ),
        (json!({"role": "admin"}), "role"),
    ] {
        let (status, answer) = put(body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(answer["errors"][0]["field"], field);
    }
}

#[tokio::test]
async fn a_generated_first_password_is_told_once_and_works() {
    use sidetone_service::ops::Readiness;
    use sidetone_service::{Settings, config::Input};

    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_str().unwrap();
    let settings = Settings::load_from(&Input::from_vars([
        ("DATABASE_URL", &*database(dir.path()).await),
        ("SIDETONE_HTTP", "127.0.0.1:0"),
        ("SIDETONE_DATA", data),
    ]))
    .unwrap();
    let fleet = sidetone_fleet::Fleet::in_process();
    let readiness = Readiness::new();
    let keyring = sidetone_vault::Keyring::from_base64(&settings.keys.recording_key).unwrap();
    let load = || {
        let objects = sidetone_vault::Store::local(&settings.store_dir()).unwrap();
        control_api::load(
            &settings,
            fleet.clone(),
            &readiness,
            objects,
            keyring.clone(),
        )
    };
    let first = load().await.unwrap();
    let password = secrecy::ExposeSecret::expose_secret(first.first_password().unwrap()).to_owned();
    assert!(password.len() >= 32);
    drop(first);
    assert!(load().await.unwrap().first_password().is_none());

    let world = World::start(dir, &[], std::time::Duration::from_secs(30)).await;
    let response = world.try_login("admin", &password).await;
    assert_eq!(response.status(), StatusCode::OK);
    let response = world.try_login("admin", ADMIN_PASSWORD).await;
    assert_eq!(
        response.status(),
        StatusCode::UNAUTHORIZED,
        "the setting has no effect on a database that is there"
    );
}
