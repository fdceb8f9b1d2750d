//! A private S3 server.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::process::Process;
use crate::{free_tcp_port, tools};

/// How long the server may take until it answers: it takes 1 s on an idle machine.
const START_DEADLINE: Duration = Duration::from_mins(1);
/// How often it is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_millis(20);

/// What signs a request, as far as the server looks: it treats one without as a stranger's.
pub(crate) const SIGNED: &str = "authorization: AWS4-HMAC-SHA256 \
    Credential=AKIDOFTHETESTS/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n";

/// Buckets made by this process so far: each has a name of its own.
static BUCKETS: AtomicU32 = AtomicU32::new(0);

/// The server that tests of this process share while any of them needs one.
static SHARED: Mutex<Weak<S3Server>> = Mutex::const_new(Weak::new());

/// An S3 server (moto) on a free loopback port, killed on drop with all it holds. It asks for
/// credentials and does not check them.
pub struct S3Server {
    // the process first: it must be gone before its folder is
    process: Process,
    _dir: TempDir,
    address: SocketAddr,
}

impl S3Server {
    /// An access key id to sign with.
    pub const ACCESS_KEY_ID: &str = "AKIDOFTHETESTS";
    /// The secret access key of [`S3Server::ACCESS_KEY_ID`]; no text may ever show it.
    pub const SECRET_ACCESS_KEY: &str = "a-secret-access-key-of-the-tests";
    /// The region it is in.
    pub const REGION: &str = "us-east-1";

    /// The server that others of this process use at the moment, or a new one. Each test makes
    /// buckets of its own in it, and none resets it.
    ///
    /// # Errors
    /// As [`S3Server::start`].
    pub async fn shared() -> Result<Arc<Self>> {
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return Ok(server);
        }
        let server = Arc::new(Self::start().await?);
        *shared = Arc::downgrade(&server);
        Ok(server)
    }

    /// A server of one's own that is ready.
    ///
    /// # Errors
    /// When the Python environment is missing (says how to get it) or the server does not come up
    /// (with its log).
    pub async fn start() -> Result<Self> {
        let python = tools::find("SIDETONE_PYTHON", ".tools/venv/bin/python")?;
        let dir = tempfile::tempdir().context("cannot make a folder for the S3 server")?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_tcp_port()));
        let mut command = Command::new(python);
        command
            .args(["-m", "moto.server", "-H", "127.0.0.1", "-p"])
            .arg(address.port().to_string())
            .env("S3_IGNORE_SUBDOMAIN_BUCKETNAME", "true")
            .env("TMPDIR", dir.path());
        let process = Process::spawn(command, &dir.path().join("s3-server.log"))?;
        let mut server = Self {
            process,
            _dir: dir,
            address,
        };
        let ready = async {
            while server.ask("GET", "/moto-api/", "").await.is_err() {
                if !server.process.is_running() {
                    bail!("the S3 server ended at once:\n{}", server.process.tail());
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
            Ok(())
        };
        tokio::time::timeout(START_DEADLINE, ready)
            .await
            .context("the S3 server does not answer")??;
        Ok(server)
    }

    /// Its address, `http://127.0.0.1:<port>`; buckets are named in the path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A new empty bucket; gives its name.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn bucket(&self) -> Result<String> {
        let name = format!("recordings-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        self.ask("PUT", &format!("/{name}"), "").await?;
        Ok(name)
    }

    /// The same, keeping every version of an object.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn versioned_bucket(&self) -> Result<String> {
        let name = self.bucket().await?;
        let enabled = "<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                       <Status>Enabled</Status></VersioningConfiguration>";
        self.ask("PUT", &format!("/{name}?versioning"), enabled)
            .await?;
        Ok(name)
    }

    /// Puts an object past the store that is tested: over whatever is there.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn put(&self, bucket: &str, key: &str, text: &str) -> Result<()> {
        self.ask("PUT", &format!("/{bucket}/{key}"), text).await?;
        Ok(())
    }

    /// The headers of an object, as they come.
    ///
    /// # Errors
    /// When there is no such object.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<String> {
        let (head, _) = self.answer("HEAD", &format!("/{bucket}/{key}"), "").await?;
        Ok(head)
    }

    /// Keys of all objects and delete markers of a bucket, once for each version.
    ///
    /// # Errors
    /// When there is no such bucket.
    pub async fn versions(&self, bucket: &str) -> Result<Vec<String>> {
        let page = format!("/{bucket}?versions&max-keys=100000");
        let listing = self.ask("GET", &page, "").await?;
        Ok(texts(&listing, "Key"))
    }

    /// Keys of the multipart uploads that were begun and neither completed nor aborted.
    ///
    /// # Errors
    /// When there is no such bucket.
    pub async fn uploads(&self, bucket: &str) -> Result<Vec<String>> {
        let listing = self.ask("GET", &format!("/{bucket}?uploads"), "").await?;
        Ok(texts(&listing, "Key"))
    }

    /// Forgets all buckets.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn reset(&self) -> Result<()> {
        self.ask("POST", "/moto-api/reset", "").await?;
        Ok(())
    }

    /// Sends one request and gives the body of its answer.
    async fn ask(&self, method: &str, path: &str, body: &str) -> Result<String> {
        let (_, body) = self.answer(method, path, body).await?;
        Ok(body)
    }

    /// Sends one request and gives its answer's head and body.
    async fn answer(&self, method: &str, path: &str, body: &str) -> Result<(String, String)> {
        let mut stream = TcpStream::connect(self.address).await?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\n{SIGNED}\
             connection: close\r\n\r\n{body}",
            self.address
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status.starts_with('2'), "{method} {path}: {status}\n{body}");
        Ok((head.to_owned(), body.to_owned()))
    }
}

/// The texts of all elements of a name.
fn texts(xml: &str, element: &str) -> Vec<String> {
    let (open, close) = (format!("<{element}>"), format!("</{element}>"));
    xml.split(&open)
        .skip(1)
        .filter_map(|rest| rest.split_once(&close))
        .map(|(text, _)| text.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_versioned_bucket_keeps_what_is_overwritten_and_another_does_not() {
        let server = S3Server::start().await.unwrap();
        let plain = server.bucket().await.unwrap();
        let versioned = server.versioned_bucket().await.unwrap();
        for bucket in [&plain, &versioned] {
            server.put(bucket, "a", "1").await.unwrap();
            server.put(bucket, "a", "2").await.unwrap();
            server
                .ask("POST", &format!("/{bucket}/b?uploads"), "")
                .await
                .unwrap();
            assert_eq!(server.uploads(bucket).await.unwrap(), ["b"]);
        }
        assert_eq!(server.versions(&plain).await.unwrap(), ["a"]);
        assert_eq!(server.versions(&versioned).await.unwrap(), ["a", "a"]);
        server.reset().await.unwrap();
        let gone = server.versions(&plain).await.unwrap_err();
        assert!(gone.to_string().contains("NoSuchBucket"), "{gone}");
    }
}
