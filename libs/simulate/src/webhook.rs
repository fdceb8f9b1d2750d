//! Webhooks as vendors send them: signed, late, again, and in disorder.

use aws_lc_rs::hmac;
use reqwest::StatusCode;

/// A webhook that is signed and ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Headers beside the content type.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: String,
}

impl Webhook {
    /// Sends it; gives the status and the body of the answer.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn send(
        &self,
        client: &reqwest::Client,
        url: &str,
    ) -> reqwest::Result<(StatusCode, String)> {
        let mut request = client
            .post(url)
            .header("content-type", "application/json")
            .body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await?;
        let status = response.status();
        Ok((status, response.text().await?))
    }
}

/// How a vendor signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signing {
    /// Vapi's older scheme: the secret in `X-Vapi-Secret`.
    VapiSecret(String),
    /// A bearer token.
    Bearer(String),
    /// Vapi's HMAC with its defaults: hexadecimal HMAC-SHA-256 over `<seconds>.<body>`.
    Hmac(String),
    /// Retell's: hexadecimal HMAC-SHA-256 over the body and the milliseconds.
    Retell(String),
}

impl Signing {
    /// Signs a body at a time, in milliseconds since 1970.
    pub fn sign(&self, body: String, at_ms: i64) -> Webhook {
        let header = |name: &str, value: String| (name.to_owned(), value);
        let headers = match self {
            Self::VapiSecret(secret) => vec![header("x-vapi-secret", secret.clone())],
            Self::Bearer(token) => vec![header("authorization", format!("Bearer {token}"))],
            Self::Hmac(secret) => {
                let at = (at_ms / 1000).to_string();
                let digest = digest(secret, &[&at, ".", &body]);
                vec![header("x-signature", digest), header("x-timestamp", at)]
            }
            Self::Retell(key) => {
                let digest = digest(key, &[&body, &at_ms.to_string()]);
                let value = format!("v={at_ms},d={digest}");
                vec![header("x-retell-signature", value)]
            }
        };
        Webhook { headers, body }
    }
}

fn digest(secret: &str, parts: &[&str]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex::encode(hmac::sign(&key, parts.concat().as_bytes()))
}

/// The same items in another order, some of them twice. The same seed gives the same disorder.
pub fn disorder<T: Clone>(items: &[T], seed: u64) -> Vec<T> {
    let mut state = seed | 1;
    let mut below = |count: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % count.max(1)
    };
    let mut all = items.to_vec();
    for _ in 0..items.len().div_ceil(2) {
        all.push(items[below(items.len())].clone());
    }
    for n in (1..all.len()).rev() {
        all.swap(n, below(n + 1));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disorder_keeps_everything_and_repeats_some() {
        let items: Vec<u32> = (0..20).collect();
        let all = disorder(&items, 7);
        assert_eq!(all, disorder(&items, 7));
        assert_ne!(all, disorder(&items, 8));
        assert_eq!(all.len(), 30);
        assert!(items.iter().all(|item| all.contains(item)));
        assert!(disorder::<u32>(&[], 1).is_empty());
    }
}
