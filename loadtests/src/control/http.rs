//! A client of the REST API.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sidetone_service::clock;

/// Somebody who is logged in.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) url: String,
    pub(super) token: String,
    http: reqwest::Client,
}

impl Client {
    pub(super) async fn login(url: &str, username: &str, password: &str) -> Result<Self> {
        let http = reqwest::Client::new();
        let mut client = Self {
            url: url.to_owned(),
            token: String::new(),
            http,
        };
        let body = json!({"username": username, "password": password});
        let session = client.post("/api/auth/login", &body).await?;
        let token = session["access_token"].as_str();
        token.context("a token")?.clone_into(&mut client.token);
        Ok(client)
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.http.post(format!("{}{path}", self.url)).json(body);
        let response = request.bearer_auth(&self.token).send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "{path}: {status} {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Reads, and says how many milliseconds that took.
    pub(super) async fn timed(&self, path: &str) -> Result<(Value, f64)> {
        let begun = clock::now();
        let request = self.http.get(format!("{}{path}", self.url));
        let response = request.bearer_auth(&self.token).send().await?;
        let (status, bytes) = (response.status(), response.bytes().await?);
        let took = (clock::now() - begun).as_secs_f64() * 1000.0;
        ensure!(status.is_success(), "{path}: {status}");
        Ok((serde_json::from_slice(&bytes)?, took))
    }
}
