//! Keys, invites, tenants and members, passwords of older systems.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sidetone_wire::Command;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};

use crate::socket::Socket;
use crate::world::{ADMIN_PASSWORD, User, World, answer};

async fn key(world: &World, admin: &User, role: &str) -> (User, String) {
    let new = json!({"name": format!("a {role}'s"), "role": role});
    let (status, key) = admin.post("/api/api-keys", &new).await;
    assert_eq!(status, StatusCode::CREATED, "{key}");
    let user = world.bearer(key["key"].as_str().unwrap());
    (user, key["id"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_key_is_shown_once_acts_with_its_role_and_is_told_apart_by_its_beginning() {
    let world = World::new().await;
    let admin = world.admin().await;
    let new = json!({"name": "crm", "role": "supervisor", "expiresAt": "2031-01-01T00:00:00Z"});
    let (status, made) = admin.post("/api/api-keys", &new).await;
    assert_eq!(status, StatusCode::CREATED);
    let secret = made["key"].as_str().unwrap();
    assert!(secret.starts_with("stk_") && secret.len() == 47, "{secret}");

    let program = world.bearer(secret);
    let me = program.read("/api/me").await;
    assert_eq!(
        (&me["role"], &me["apiKeyId"]),
        (&json!("supervisor"), &made["id"])
    );
    assert_eq!(me["fullName"], "crm");
    assert_eq!(program.get("/api/users").await.0, StatusCode::FORBIDDEN);

    let listed = admin.read("/api/api-keys").await;
    let listed = &listed["items"][0];
    assert!(listed.get("key").is_none() && !listed.to_string().contains(secret));
    assert!(secret.starts_with(listed["hint"].as_str().unwrap()));
    assert!(listed["lastUsedAt"].is_string());
    assert_eq!(listed["createdBy"], admin.id.as_str());
    let users = admin.read("/api/users").await;
    assert_eq!(
        users["items"].as_array().unwrap().len(),
        1,
        "a key is nobody"
    );
    for (field, value) in [
        ("name", json!("")),
        ("role", json!("king")),
        ("expiresAt", json!("2001-01-01T00:00:00Z")),
        ("scope", json!("all")),
    ] {
        let mut wrong = new.clone();
        wrong[field] = value;
        let (status, body) = admin.post("/api/api-keys", &wrong).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert_eq!(body["errors"][0]["field"], field);
    }
}

#[tokio::test]
async fn a_key_listens_and_its_revocation_closes_its_socket_and_cuts_that_off() {
    let world = World::new().await;
    let admin = world.admin().await;
    let gateway = world.gateway();
    let call = gateway.hold("heard", None);
    call.known_to(&admin).await;
    let (program, id) = key(&world, &admin, "supervisor").await;
    let mut socket = Socket::connect(&world, &program.token).await;
    let hello = socket.event("connected").await;
    assert_eq!(hello["user_id"], id.as_str());
    let (status, body) = program
        .post(&format!("{}/listen", call.path()), &json!({}))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let watched = admin.read(&call.path()).await;
    assert_eq!(watched["watchers"][0]["name"], "a supervisor's");

    let path = format!("/api/api-keys/{id}");
    assert_eq!(
        admin.send(Method::DELETE, &path).await.0,
        StatusCode::NO_CONTENT
    );
    assert!(socket.is_cut_off().await);
    assert!(
        gateway
            .heard(|command| matches!(command, Command::UnlistenAll { .. }))
            .await
    );
    assert_eq!(program.get("/api/me").await.0, StatusCode::UNAUTHORIZED);
    let watched = admin.read(&call.path()).await;
    assert_eq!(watched["watchers"], json!([]));
    assert_eq!(
        admin.send(Method::DELETE, &path).await.0,
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn what_needs_a_person_is_refused_to_a_key() {
    let world = World::new().await;
    let admin = world.admin().await;
    let (program, _) = key(&world, &admin, "admin").await;
    let password = json!({"currentPassword": "a-password", "newPassword": "b-password"});
    for (method, path, body) in [
        (Method::PUT, "/api/me/password", password),
        (Method::PUT, "/api/me/profile", json!({"full_name": "x"})),
        (
            Method::POST,
            "/api/auth/switch",
            json!({"clientId": admin.id}),
        ),
        (Method::POST, "/api/auth/logout", json!({})),
    ] {
        let request = program.request(method.clone(), path).json(&body);
        let (status, body) = answer(request).await;
        let code = body["code"].as_str();
        assert_eq!(
            (status, code),
            (StatusCode::FORBIDDEN, Some("person_required")),
            "{path}"
        );
    }
    assert_eq!(program.get("/api/me").await.0, StatusCode::OK);
}

#[tokio::test]
async fn registration_is_closed_unless_a_setting_opens_it() {
    let new = json!({"username": "new", "password": "user-password"});
    let world = World::new().await;
    let register = |world: &World, body: &Value| {
        answer(world.request(Method::POST, "/api/register").json(body))
    };
    let (status, body) = register(&world, &new).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(body["code"], "registration_closed");
    let admin = world.admin().await;
    let (status, body) = admin.post("/api/invites", &json!({"role": "agent"})).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("registration_closed"))
    );

    let world = World::with(&[("SIDETONE_REGISTRATION", "open")]).await;
    let (status, body) = register(&world, &new).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(
        (&body["user"]["role"], &body["token_type"]),
        (&json!("agent"), &json!("bearer"))
    );
    assert_eq!(body["user"]["clientName"], "Default");
    let (status, body) = register(&world, &new).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("username_taken"))
    );
    world.login("new", "user-password").await;
}

#[tokio::test]
async fn an_invite_makes_one_user_of_its_tenant_with_its_role() {
    let world = World::with(&[("SIDETONE_REGISTRATION", "invite")]).await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let invite = async |body: Value| {
        let (status, invite) = acme.post("/api/invites", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{invite}");
        invite
    };
    let register = |name: &str, token: Option<&Value>| {
        let body = json!({"username": name, "password": "user-password", "invite": token});
        answer(world.request(Method::POST, "/api/register").json(&body))
    };
    let good = invite(json!({"role": "supervisor"})).await;
    let token = &good["token"];
    assert!(token.as_str().unwrap().starts_with("sti_"));
    let tries = ["ann", "bob", "cem"].map(|name| register(name, Some(token)));
    let tries = futures_util::future::join_all(tries).await;
    let made: Vec<_> = tries
        .iter()
        .filter(|(status, _)| *status == StatusCode::CREATED)
        .collect();
    assert_eq!(made.len(), 1, "{tries:?}");
    let user = &made[0].1["user"];
    assert_eq!(
        (&user["role"], &user["clientName"]),
        (&json!("supervisor"), &json!("acme"))
    );

    let revoked = invite(json!({"role": "agent"})).await;
    let path = format!("/api/invites/{}", revoked["id"].as_str().unwrap());
    assert_eq!(
        acme.send(Method::DELETE, &path).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        admin.send(Method::DELETE, &path).await.0,
        StatusCode::NOT_FOUND
    );
    for token in [
        None,
        Some(token),
        Some(&revoked["token"]),
        Some(&json!("sti_none")),
    ] {
        let (status, body) = register("eve", token).await;
        let code = body["code"].as_str();
        assert_eq!(
            (status, code),
            (StatusCode::FORBIDDEN, Some("invite_required"))
        );
    }
    let listed = acme.read("/api/invites").await;
    let states: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|invite| invite["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["revoked", "used"]);
    assert!(!listed.to_string().contains("sti_"));
    let end = json!({"role": "agent", "expiresAt": "2001-01-01T00:00:00Z"});
    let (status, body) = acme.post("/api/invites", &end).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["field"], "expiresAt");
}

#[tokio::test]
async fn a_user_of_two_tenants_chooses_one_at_login_and_switches() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let acme_id = acme.read("/api/me").await["clientId"]
        .as_str()
        .unwrap()
        .to_owned();
    let members = format!("/api/clients/{acme_id}/members");
    let ann = world.user(&admin, "ann", "agent").await;
    let add = json!({"username": "Ann", "role": "supervisor"});
    let (status, _) = acme.post(&members, &add).await;
    assert_eq!(
        status,
        StatusCode::FORBIDDEN,
        "users of other tenants are not acme's to add"
    );
    let (status, member) = admin.post(&members, &add).await;
    assert_eq!(status, StatusCode::CREATED, "{member}");
    assert_eq!(member["userId"], ann.id.as_str());
    let (status, body) = admin.post(&members, &add).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("already_member"))
    );

    let me = ann.read("/api/me").await;
    let slugs: Vec<&Value> = me["clients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| &c["slug"])
        .collect();
    assert_eq!(slugs, [&json!("default"), &json!("acme")]);
    let login = |tenant: &str| {
        let body = json!({"username": "ann", "password": "user-password", "tenant": tenant});
        answer(world.request(Method::POST, "/api/auth/login").json(&body))
    };
    let (_, body) = login("acme").await;
    assert_eq!(body["user"]["role"], "supervisor");
    assert_eq!(login("nowhere").await.0, StatusCode::UNAUTHORIZED);

    let mut socket = Socket::connect(&world, &ann.token).await;
    socket.event("connected").await;
    let (status, body) = ann
        .post("/api/auth/switch", &json!({"clientId": acme_id}))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let there = world.bearer(body["access_token"].as_str().unwrap());
    assert_eq!(there.read("/api/me").await["clientName"], "acme");
    assert!(socket.is_cut_off().await);
    assert_eq!(ann.get("/api/me").await.0, StatusCode::UNAUTHORIZED);
    let elsewhere = json!({"clientId": sidetone_service::clock::new_id().to_string()});
    assert_eq!(
        there.post("/api/auth/switch", &elsewhere).await.0,
        StatusCode::NOT_FOUND
    );

    let path = format!("{members}/{}", ann.id);
    let (status, member) = acme.patch(&path, &json!({"role": "agent"})).await;
    assert_eq!((status, &member["role"]), (StatusCode::OK, &json!("agent")));
    assert_eq!(there.get("/api/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        acme.send(Method::DELETE, &path).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        acme.send(Method::DELETE, &path).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(login("acme").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(login("default").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_disabled_tenant_is_closed_at_once_and_its_keys_come_back_with_it() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let (program, _) = key(&world, &acme, "supervisor").await;
    let gateway = world.gateway();
    let call = gateway.hold("theirs", Some("acme"));
    call.known_to(&acme).await;
    let (status, _) = acme
        .post(&format!("{}/listen", call.path()), &json!({}))
        .await;
    assert_eq!(status, StatusCode::OK);
    let mut sockets = Vec::new();
    for token in [&acme.token, &program.token] {
        let mut socket = Socket::connect(&world, token).await;
        socket.event("connected").await;
        sockets.push(socket);
    }
    let path = format!(
        "/api/clients/{}",
        acme.read("/api/me").await["clientId"].as_str().unwrap()
    );
    assert_eq!(
        acme.patch(&path, &json!({"disabled": true})).await.0,
        StatusCode::FORBIDDEN
    );
    let start = sidetone_service::clock::now();
    let (status, client) = admin.patch(&path, &json!({"disabled": true})).await;
    assert_eq!(
        (status, &client["disabled"]),
        (StatusCode::OK, &json!(true))
    );
    for socket in &mut sockets {
        assert!(socket.is_cut_off().await);
    }
    assert!(
        gateway
            .heard(|command| matches!(command, Command::UnlistenAll { .. }))
            .await
    );
    let took = sidetone_service::clock::now() - start;
    assert!(
        took.as_secs() < 5,
        "{took:?}; it takes some milliseconds on an idle machine"
    );
    for user in [&acme, &program] {
        assert_eq!(user.get("/api/me").await.0, StatusCode::UNAUTHORIZED);
    }
    let login = world.try_login("acme-admin", "user-password").await;
    assert_eq!(login.status(), StatusCode::UNAUTHORIZED);

    let (status, _) = admin
        .patch(&path, &json!({"disabled": false, "name": "Acme"}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(program.get("/api/me").await.0, StatusCode::OK);
    assert_eq!(
        acme.get("/api/me").await.0,
        StatusCode::UNAUTHORIZED,
        "a session is over for good"
    );
    let default = admin.read("/api/me").await["clientId"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/clients/{default}");
    let (status, body) = admin.patch(&path, &json!({"disabled": true})).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("default_client"))
    );
}

#[tokio::test]
async fn a_tenant_is_removed_when_nothing_is_left_in_it() {
    let world = World::new().await;
    let admin = world.admin().await;
    let acme = world.tenant(&admin, "acme").await;
    let id = acme.read("/api/me").await["clientId"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/clients/{id}");
    assert_eq!(admin.read(&path).await["slug"], "acme");
    let (status, body) = admin.send(Method::DELETE, &path).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("client_not_empty"))
    );
    let member = format!("{path}/members/{}", acme.id);
    assert_eq!(
        acme.send(Method::DELETE, &member).await.0,
        StatusCode::CONFLICT
    );
    assert_eq!(
        admin.send(Method::DELETE, &member).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        admin.send(Method::DELETE, &path).await.0,
        StatusCode::NO_CONTENT
    );
    assert_eq!(admin.get(&path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        admin.send(Method::DELETE, &path).await.0,
        StatusCode::NOT_FOUND
    );
    let again = json!({"name": "Acme", "slug": "acme"});
    let (status, client) = admin.post("/api/clients", &again).await;
    assert_eq!(status, StatusCode::CREATED, "the slug is free again");
    assert_ne!(client["id"], id.as_str());
}

#[tokio::test]
async fn a_new_password_of_ones_own_ends_the_other_sessions() {
    let world = World::new().await;
    let (one, other) = (world.admin().await, world.admin().await);
    let mut socket = Socket::connect(&world, &other.token).await;
    socket.event("connected").await;
    let change = |current: &str, new: &str| {
        let body = json!({"currentPassword": current, "newPassword": new});
        answer(one.request(Method::PUT, "/api/me/password").json(&body))
    };
    let (status, body) = change("wrong", "another-password").await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::FORBIDDEN, &json!("wrong_credentials"))
    );
    let (status, body) = change(ADMIN_PASSWORD, "short").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["errors"][0]["field"], "newPassword");
    assert_eq!(
        change(ADMIN_PASSWORD, "another-password").await.0,
        StatusCode::NO_CONTENT
    );
    assert!(socket.is_cut_off().await);
    assert_eq!(other.get("/api/me").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(one.get("/api/me").await.0, StatusCode::OK);
    let login = world.try_login("admin", ADMIN_PASSWORD).await;
    assert_eq!(login.status(), StatusCode::UNAUTHORIZED);
    world.login("admin", "another-password").await;
}

#[tokio::test]
async fn a_password_that_an_older_system_hashed_is_taken_and_hashed_anew() {
    let world = World::new().await;
    let admin = world.admin().await;
    let ann = world.user(&admin, "ann", "agent").await;
    let bcrypt = "$2b$04$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy";
    let mut database = world.database().await;
    let set = format!(
        "UPDATE users SET password_hash = '{bcrypt}' WHERE id = '{}'",
        ann.id
    );
    database.execute(AssertSqlSafe(set)).await.unwrap();
    let hash = async |database: &mut sqlx::AnyConnection| -> String {
        let get = format!("SELECT password_hash FROM users WHERE id = '{}'", ann.id);
        sqlx::query_scalar(AssertSqlSafe(get))
            .fetch_one(database)
            .await
            .unwrap()
    };
    let wrong = world.try_login("ann", "wrong").await;
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(hash(&mut database).await, bcrypt);
    let made = bcrypt::hash("older-password", 4).unwrap();
    let set = format!(
        "UPDATE users SET password_hash = '{made}' WHERE id = '{}'",
        ann.id
    );
    database.execute(AssertSqlSafe(set)).await.unwrap();
    world.login("ann", "older-password").await;
    let upgraded = hash(&mut database).await;
    assert!(upgraded.starts_with("$argon2id$"), "{upgraded}");
    world.login("ann", "older-password").await;
    assert_eq!(hash(&mut database).await, upgraded);
    database.close().await.unwrap();
}
