//! The store in a bucket: Amazon's S3, or a server that speaks it.
//!
//! Nothing here tries twice: whoever uploads owns the retries. Every request ends within a time
//! that follows from its bytes ([`Patience`]), whatever the server does.

use std::ops::Range;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    Region, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::Bytes;
use futures_util::StreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};

use crate::store::{Bytestream, Head, LIST_MAX, Listed, Put, StoreError};

mod erase;
mod failure;
mod list;
mod put;
mod read;
mod sums;

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Bytes of a part of a multipart upload that S3 takes, at least; a smaller wish is raised.
pub const PART_BYTES_MIN: u64 = 5 << 20;

/// The region of servers that are not Amazon's, which have none.
const NO_REGION: &str = "us-east-1";

/// Which bucket, and how to speak to it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The bucket. It must exist.
    pub bucket: String,
    /// Address of a server that is not Amazon's, `http://` or `https://`. Default Amazon's.
    pub endpoint: Option<String>,
    /// Region. Default as `AWS_REGION`, the profile or the instance says; with an endpoint
    /// `us-east-1`, if none of them does.
    pub region: Option<String>,
    /// Begins every object's key, as it stands. Default none.
    pub prefix: String,
    /// Whether the bucket is named in the path instead of the host. Default no; most servers that
    /// are not Amazon's want it.
    pub path_style: bool,
    /// Encryption by the server on top of ours. Default as the bucket says.
    pub sse: Option<Sse>,
    /// Files larger than this are uploaded in parts of this size. Default 16 MiB, at least
    /// [`PART_BYTES_MIN`].
    pub part_bytes: u64,
    /// How long the server may take.
    pub patience: Patience,
    /// An access key. Default none: the usual `AWS_*` variables, profile, web identity or
    /// instance.
    pub access_key: Option<AccessKey>,
}

impl Settings {
    /// The defaults, with a bucket of Amazon's.
    pub fn new(bucket: &str) -> Self {
        Self {
            bucket: bucket.to_owned(),
            endpoint: None,
            region: None,
            prefix: String::new(),
            path_style: false,
            sse: None,
            part_bytes: 16 << 20,
            patience: Patience::default(),
            access_key: None,
        }
    }
}

/// Encryption by the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sse {
    /// With the server's own key.
    Aes256,
    /// With a key of its key service: the bucket's, or the one named.
    Kms(Option<String>),
}

impl FromStr for Sse {
    type Err = String;

    /// `AES256`, `aws:kms` or `aws:kms:<key id>`.
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("aws:kms:")) {
            ("AES256", _) => Ok(Self::Aes256),
            ("aws:kms", _) => Ok(Self::Kms(None)),
            (_, Some(key)) if !key.is_empty() => Ok(Self::Kms(Some(key.to_owned()))),
            _ => Err(format!(
                "{text:?} is not AES256, aws:kms or aws:kms:<key id>"
            )),
        }
    }
}

impl Sse {
    fn header(&self) -> ServerSideEncryption {
        match self {
            Self::Aes256 => ServerSideEncryption::Aes256,
            Self::Kms(_) => ServerSideEncryption::AwsKms,
        }
    }

    fn key(&self) -> Option<String> {
        match self {
            Self::Aes256 => None,
            Self::Kms(key) => key.clone(),
        }
    }
}

/// How long the server may take. A request that takes longer is given up, and is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For an answer, and for the next bytes of one. Default 20 s.
    pub answer: Duration,
    /// And so much longer for what is to be moved: the slowest line that is worth while, in bytes
    /// per second. Default 32 KiB/s. Danger: on a slower line no large recording is ever stored.
    pub slowest_bytes_per_second: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(20),
            slowest_bytes_per_second: 32 << 10,
        }
    }
}

impl Patience {
    /// For a request that moves so many bytes.
    fn for_bytes(self, bytes: u64) -> Duration {
        let slowest = u64::from(self.slowest_bytes_per_second.max(1));
        self.answer + Duration::from_millis(bytes.saturating_mul(1_000) / slowest)
    }
}

/// An access key of the server's.
#[derive(Debug, Clone)]
pub struct AccessKey {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: SecretString,
}

/// Objects in a bucket. Cheap to clone.
#[derive(Clone)]
pub struct S3 {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    settings: Settings,
    /// The server has said that it knows no conditional puts.
    unconditional: AtomicBool,
}

impl std::fmt::Debug for S3 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3({})", self.place())
    }
}

impl S3 {
    /// Prepares for a bucket, without asking it anything.
    ///
    /// # Errors
    /// When there is no region.
    pub(crate) async fn new(mut settings: Settings) -> Result<Self, StoreError> {
        settings.part_bytes = settings.part_bytes.max(PART_BYTES_MIN);
        let region = region(&settings).await.ok_or_else(|| {
            let text = "no region is known for S3_BUCKET: set AWS_REGION";
            StoreError::Refused(text.to_owned())
        })?;
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region);
        if let Some(AccessKey { id, secret }) = &settings.access_key {
            let secret = secret.expose_secret();
            let key = aws_sdk_s3::config::Credentials::new(id, secret, None, None, "settings");
            loader = loader.credentials_provider(key);
        }
        let stalled = StalledStreamProtectionConfig::enabled()
            .grace_period(settings.patience.answer)
            .build();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_WITHIN)
            .build();
        let shared = Box::pin(loader.load()).await;
        let mut config = aws_sdk_s3::config::Builder::from(&shared)
            .force_path_style(settings.path_style)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .stalled_stream_protection(stalled)
            // sums are ours to make and to compare: of every byte, and of nothing twice
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if let Some(endpoint) = &settings.endpoint {
            config = config.endpoint_url(endpoint);
        }
        let inner = Inner {
            client: Client::from_conf(config.build()),
            settings,
            unconditional: AtomicBool::new(false),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Asks whether the bucket is there and open to us.
    ///
    /// # Errors
    /// [`StoreError::Refused`] with what to change, [`StoreError::Temporary`] when the server is
    /// away.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.list_page("", None, 1, None).await.map(drop)
    }

    pub(crate) async fn put_file(&self, name: &str, file: &Path) -> Result<Put, StoreError> {
        let sums = sums::of_file(file, self.inner.settings.part_bytes).await?;
        self.put(name, put::Source::File(file), &sums).await
    }

    pub(crate) async fn put_bytes(&self, name: &str, bytes: Vec<u8>) -> Result<Put, StoreError> {
        let sums = sums::of_bytes(&bytes);
        let source = put::Source::Memory(Bytes::from(bytes));
        self.put(name, source, &sums).await
    }

    pub(crate) async fn head(&self, name: &str) -> Result<Option<Head>, StoreError> {
        let head = self.look(name).await?;
        Ok(head.map(|head| Head { bytes: head.bytes }))
    }

    pub(crate) async fn get(
        &self,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytestream, StoreError> {
        Ok(self.read(name, range).await?.boxed())
    }

    pub(crate) async fn erase(&self, name: &str) -> Result<(), StoreError> {
        self.erase_versions(name).await
    }

    pub(crate) async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<Vec<Listed>, StoreError> {
        self.list_from(prefix, after, LIST_MAX).await
    }

    pub(crate) async fn abort_orphans(
        &self,
        folder: &str,
        older_than: Duration,
    ) -> Result<usize, StoreError> {
        self.abort_uploads(folder, older_than).await
    }

    /// The bucket and where it is, for the operator.
    fn place(&self) -> String {
        let settings = &self.inner.settings;
        let endpoint = settings.endpoint.as_deref().unwrap_or("Amazon S3");
        // an address may carry a password
        let shown = endpoint.rsplit_once('@').map_or(endpoint, |(_, host)| host);
        format!("bucket {} at {shown}", settings.bucket)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.inner.settings.prefix)
    }
}

/// The region. An instance is not asked for that of a server that is not Amazon's: the answer
/// would be wrong where there is one, and takes seconds where there is none.
async fn region(settings: &Settings) -> Option<Region> {
    if let Some(region) = &settings.region {
        return Some(Region::new(region.clone()));
    }
    if settings.endpoint.is_none() {
        return Box::pin(RegionProviderChain::default_provider().region()).await;
    }
    let known = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(Region::from_static(NO_REGION));
    Box::pin(known.region()).await
}

#[cfg(test)]
mod tests {
    use sidetone_testkit::S3Server;

    use super::*;

    #[test]
    fn encryption_by_the_server_is_read_as_it_is_configured() {
        assert_eq!("AES256".parse(), Ok(Sse::Aes256));
        assert_eq!("aws:kms".parse(), Ok(Sse::Kms(None)));
        let key = "arn:aws:kms:eu-west-1:1:key/2";
        let text = format!("aws:kms:{key}");
        assert_eq!(text.parse(), Ok(Sse::Kms(Some(key.to_owned()))));
        for wrong in ["", "aes256", "aws:kms:", "aws:kmsx"] {
            assert!(wrong.parse::<Sse>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn more_bytes_are_waited_for_longer() {
        let patience = Patience {
            answer: Duration::from_secs(2),
            slowest_bytes_per_second: 1_000,
        };
        assert_eq!(patience.for_bytes(0), Duration::from_secs(2));
        assert_eq!(patience.for_bytes(3_000), Duration::from_secs(5));
        assert!(patience.for_bytes(u64::MAX) > Duration::from_secs(1_000_000));
    }

    #[tokio::test]
    async fn a_listing_goes_on_behind_the_last_name_until_there_are_no_more() {
        let server = S3Server::shared().await.unwrap();
        let bucket = server.bucket().await.unwrap();
        for n in 0..20 {
            let key = format!("ours/objects/{n:02}");
            server.put(&bucket, &key, "x").await.unwrap();
        }
        server.put(&bucket, "elsewhere", "x").await.unwrap();
        let settings = Settings {
            endpoint: Some(server.url()),
            prefix: "ours/".to_owned(),
            path_style: true,
            access_key: Some(AccessKey {
                id: S3Server::ACCESS_KEY_ID.to_owned(),
                secret: S3Server::SECRET_ACCESS_KEY.to_owned().into(),
            }),
            ..Settings::new(&bucket)
        };
        let s3 = S3::new(settings).await.unwrap();
        let mut names = Vec::new();
        let mut sizes = Vec::new();
        loop {
            let after = names.last().cloned();
            let listed = s3.list_from("objects/", after.as_deref(), 7).await.unwrap();
            sizes.push(listed.len());
            names.extend(listed.into_iter().map(|listed| listed.name));
            if sizes.last() != Some(&7) {
                break;
            }
        }
        assert_eq!(sizes, [7, 7, 6]);
        assert!(names.is_sorted(), "{names:?}");
        assert_eq!((names[0].as_str(), names.len()), ("objects/00", 20));
    }

    #[tokio::test]
    async fn what_it_prints_has_no_secret_in_it() {
        let settings = Settings {
            endpoint: Some("http://user:hidden@store.example".to_owned()),
            access_key: Some(AccessKey {
                id: "id".to_owned(),
                secret: "hidden".to_owned().into(),
            }),
            ..Settings::new("recordings")
        };
        let key = format!("{:?}", settings.access_key);
        assert!(!key.contains("hidden"), "{key}");
        let store = format!("{:?}", S3::new(settings).await.unwrap());
        assert_eq!(store, "S3(bucket recordings at store.example)");
    }
}
