//! A tenant's accounts at vendors.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::call::words;
use crate::{ConnectionId, TenantId, Timestamp};

words! {
    /// The vendor.
    ConnectionKind {
        /// Vapi.
        Vapi = "vapi",
        /// Retell.
        Retell = "retell",
        /// Twilio.
        Twilio = "twilio",
        /// Telnyx.
        Telnyx = "telnyx",
        /// Plivo.
        Plivo = "plivo",
        /// Vonage.
        Vonage = "vonage",
        /// Exotel.
        Exotel = "exotel",
        /// Bland.
        Bland = "bland",
        /// ElevenLabs.
        Elevenlabs = "elevenlabs",
        /// Genesys AudioHook.
        Genesys = "genesys",
        /// jambonz.
        Jambonz = "jambonz",
        /// Deepgram.
        Deepgram = "deepgram",
        /// AssemblyAI.
        Assemblyai = "assemblyai",
        /// OpenAI.
        Openai = "openai",
    }
    /// How the vendor proves that a webhook is its own.
    WebhookScheme {
        /// Not at all: its webhooks are refused.
        None = "none",
        /// Vapi's older scheme: the secret itself in the header `X-Vapi-Secret`.
        VapiSecret = "vapi_secret",
        /// The secret as a bearer token.
        Bearer = "bearer",
        /// A token that the vendor gets by OAuth 2: `secret` is the token that is accepted, or the
        /// key of an HS256 JWT.
        Oauth2 = "oauth2",
        /// An HMAC over the body, as the options say.
        Hmac = "hmac",
        /// Retell's `x-retell-signature`; the secret is the API key with the webhook badge.
        Retell = "retell",
    }
    /// The hash of an HMAC.
    HmacAlgorithm {
        /// SHA-256.
        Sha256 = "sha256",
        /// SHA-512.
        Sha512 = "sha512",
        /// SHA-1, for what cannot do better.
        Sha1 = "sha1",
    }
    /// How a signature is written.
    SignatureEncoding {
        /// Hexadecimal digits.
        Hex = "hex",
        /// Base64.
        Base64 = "base64",
    }
    /// What a vendor's API answered to a test.
    TestOutcome {
        /// The credentials are good.
        Ok = "ok",
        /// The vendor does not accept them.
        Unauthorized = "unauthorized",
        /// It did not answer.
        Unreachable = "unreachable",
        /// It answered something else.
        Unexpected = "unexpected",
        /// There is nothing to ask: credentials are missing, or the vendor has no such API.
        Untested = "untested",
    }
}

/// How webhooks of a connection are signed. The secret is not here: it is only ever written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(optional_fields)]
pub struct WebhookAuth {
    /// Which scheme.
    pub scheme: WebhookScheme,
    /// `bearer`, `oauth2`: the header; `Authorization` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub header_name: Option<String>,
    /// `bearer`: whether `Bearer ` stands before the token; it does unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bearer_prefix_enabled: Option<bool>,
    /// `hmac`: the hash; `sha256` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub algorithm: Option<HmacAlgorithm>,
    /// `hmac`: the signature's header; `x-signature` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature_header: Option<String>,
    /// `hmac`: the time's header; `x-timestamp` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub timestamp_header: Option<String>,
    /// `hmac`: what stands before the signature, for example `sha256=`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature_prefix: Option<String>,
    /// `hmac`: whether a time is sent and signed; it is unless said otherwise. Danger: without it
    /// an old webhook can be sent again once its receipt is forgotten, after a week.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub include_timestamp: Option<bool>,
    /// `hmac`: what is signed, of `{body}`, `{timestamp}`, `{method}`, `{url}` and `{svix-id}`;
    /// `{timestamp}.{body}` unless said otherwise, `{body}` without a time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub payload_format: Option<String>,
    /// `hmac`: the header of `{svix-id}`; `svix-id` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message_id_header: Option<String>,
    /// `hmac`: how the signature is written; `hex` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub signature_encoding: Option<SignatureEncoding>,
    /// `hmac`: the secret is base64 of the key; it is the key itself unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub secret_is_base64: Option<bool>,
}

/// A tenant's account at a vendor, without its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct Connection {
    /// The connection's id.
    pub id: ConnectionId,
    /// The tenant whose account it is.
    pub client_id: TenantId,
    /// The vendor.
    pub kind: ConnectionKind,
    /// What people call it, of its own within the tenant.
    pub name: String,
    /// Whether credentials are kept; they are never shown.
    pub has_credentials: bool,
    /// How its webhooks are signed.
    pub webhook: WebhookAuth,
    /// Whether a webhook secret is kept; it is never shown.
    pub has_secret: bool,
    /// What else is to be known of the account.
    #[ts(type = "Record<string, unknown>")]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    /// Where the vendor must send its webhooks, if it sends any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub webhook_url: Option<String>,
    /// Where the vendor must bring its calls' sound, if it does; shown to admins only.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stream_urls: Option<StreamUrls>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// Addresses of a connection's streams. Danger: whoever knows one can bring calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamUrls {
    /// For calls that customers begin.
    pub inbound: String,
    /// For calls that we begin.
    pub outbound: String,
}

/// `POST /api/connections/{id}/test`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase")]
#[ts(optional_fields)]
pub struct ConnectionTest {
    /// What came of it.
    pub outcome: TestOutcome,
    /// The same in words.
    pub detail: String,
    /// How long the vendor took to answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[ts(type = "number")]
    pub latency_ms: Option<u64>,
    /// When it was tested.
    pub tested_at: Timestamp,
}
