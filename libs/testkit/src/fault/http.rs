//! As much of HTTP/1.1 as it takes to know where a message ends.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes of a head at most; what is longer is refused.
const HEAD_MAX: usize = 64 << 10;
/// Bytes read at a time.
const BLOCK: usize = 16 << 10;
/// A drip comes so often in a second.
const DRIPS_PER_SECOND: u64 = 20;

/// The first line and the headers of a message.
pub(super) struct Head {
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = str::from_utf8(bytes).ok()?;
        let mut lines = text.trim_end().split("\r\n");
        let first = lines.next()?.to_owned();
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        });
        Some(Self {
            first,
            headers: headers.collect::<Option<_>>()?,
        })
    }

    /// The word at a place of the first line.
    pub(super) fn word(&self, at: usize) -> &str {
        self.first.split(' ').nth(at).unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter();
        let found = found.find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.into_bytes()
    }

    fn has(&self, name: &str, word: &str) -> bool {
        self.header(name)
            .is_some_and(|value| value.to_ascii_lowercase().contains(word))
    }

    fn length(&self) -> Option<u64> {
        self.header("content-length")?.parse().ok()
    }

    /// Whether the connection ends with this message.
    pub(super) fn closes(&self) -> bool {
        self.has("connection", "close") || self.first.starts_with("HTTP/1.0")
    }

    /// How the body of a request ends.
    pub(super) fn request_body(&self) -> Body {
        if self.has("transfer-encoding", "chunked") {
            return Body::Chunked;
        }
        Body::Length(self.length().unwrap_or(0))
    }

    /// How the body of the answer to a request with `method` ends.
    pub(super) fn response_body(&self, method: &str) -> Body {
        if method == "HEAD" || matches!(self.word(1), "204" | "304") {
            return Body::Length(0);
        }
        if self.has("transfer-encoding", "chunked") {
            return Body::Chunked;
        }
        self.length().map_or(Body::UntilClose, Body::Length)
    }
}

/// How a body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    UntilClose,
}

/// How a body is passed on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shape {
    pub(super) bytes_per_second: Option<u64>,
    pub(super) cut_after: Option<u64>,
}

/// One side that is read, with what was read too far.
pub(super) struct Reader<R> {
    from: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            buffer: Vec::new(),
        }
    }

    /// The next head; `None` when the connection ends before one.
    pub(super) async fn head(&mut self) -> io::Result<Option<Head>> {
        let Some(head) = self.until(b"\r\n\r\n").await? else {
            return Ok(None);
        };
        Head::parse(&head)
            .map(Some)
            .ok_or_else(|| ErrorKind::InvalidData.into())
    }

    /// Everything up to and with `mark`; `None` when the connection ends before its first byte.
    async fn until(&mut self, mark: &[u8]) -> io::Result<Option<Vec<u8>>> {
        loop {
            let found = self.buffer.windows(mark.len()).position(|w| w == mark);
            if let Some(at) = found {
                let rest = self.buffer.split_off(at + mark.len());
                return Ok(Some(std::mem::replace(&mut self.buffer, rest)));
            }
            if self.buffer.len() > HEAD_MAX {
                return Err(ErrorKind::InvalidData.into());
            }
            if self.fill().await? == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(BLOCK);
        self.from.read_buf(&mut self.buffer).await
    }

    /// Up to `max` bytes; none is the end.
    async fn some(&mut self, max: u64) -> io::Result<Vec<u8>> {
        if self.buffer.is_empty() {
            self.fill().await?;
        }
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        let rest = self.buffer.split_off(self.buffer.len().min(max));
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Passes a body on.
    pub(super) async fn copy<W: AsyncWrite + Unpin>(
        &mut self,
        body: Body,
        to: &mut Writer<'_, W>,
    ) -> io::Result<()> {
        match body {
            Body::Length(bytes) => self.copy_bytes(bytes, to).await,
            Body::UntilClose => loop {
                let bytes = self.some(u64::MAX).await?;
                if bytes.is_empty() {
                    return Ok(());
                }
                to.write(&bytes).await?;
            },
            Body::Chunked => loop {
                let line = self.until(b"\r\n").await?;
                let line = line.ok_or(ErrorKind::UnexpectedEof)?;
                to.write(&line).await?;
                let size = str::from_utf8(&line).unwrap_or_default();
                let size = size.split([';', '\r']).next().unwrap_or_default();
                let size = u64::from_str_radix(size.trim(), 16)
                    .map_err(|_| io::Error::from(ErrorKind::InvalidData))?;
                if size == 0 {
                    return self.copy_trailers(to).await;
                }
                self.copy_bytes(size + 2, to).await?;
            },
        }
    }

    async fn copy_bytes<W: AsyncWrite + Unpin>(
        &mut self,
        mut left: u64,
        to: &mut Writer<'_, W>,
    ) -> io::Result<()> {
        while left > 0 {
            let bytes = self.some(left).await?;
            if bytes.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            left -= bytes.len() as u64;
            to.write(&bytes).await?;
        }
        Ok(())
    }

    async fn copy_trailers<W: AsyncWrite + Unpin>(
        &mut self,
        to: &mut Writer<'_, W>,
    ) -> io::Result<()> {
        loop {
            let line = self.until(b"\r\n").await?;
            let line = line.ok_or(ErrorKind::UnexpectedEof)?;
            to.write(&line).await?;
            if line == b"\r\n" {
                return Ok(());
            }
        }
    }
}

/// The other side of a body on its way, counted and shaped.
pub(super) struct Writer<'a, W> {
    pub(super) to: W,
    pub(super) shape: Shape,
    pub(super) count: &'a (dyn Fn(u64) + Sync),
}

impl<W: AsyncWrite + Unpin> Writer<'_, W> {
    async fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let mut now = bytes.len() as u64;
            if let Some(rate) = self.shape.bytes_per_second {
                tokio::time::sleep(Duration::from_secs(1) / DRIPS_PER_SECOND as u32).await;
                now = now.min((rate / DRIPS_PER_SECOND).max(1));
            }
            if let Some(left) = &mut self.shape.cut_after {
                if *left == 0 {
                    self.to.flush().await?;
                    return Err(ErrorKind::ConnectionReset.into());
                }
                now = now.min(*left);
                *left -= now;
            }
            let (head, rest) = bytes.split_at(now as usize);
            self.to.write_all(head).await?;
            (self.count)(now);
            bytes = rest;
        }
        Ok(())
    }
}
