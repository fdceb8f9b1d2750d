//! Sums of what is uploaded, to be compared with what the server says it has.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use aws_lc_rs::digest::{self, Context, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};

use super::failure::chain;
use crate::store::StoreError;

/// Parts of a multipart upload at most, as S3 has it: larger files have larger parts.
const PARTS_MAX: u64 = 10_000;

/// Bytes read at a time.
const BLOCK: usize = 64 << 10;

/// A part of a file.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) bytes: u64,
    sha256: [u8; 32],
    md5: [u8; 16],
}

/// A file in parts; one part is a file that is put at once.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    pub(super) bytes: u64,
    /// Of the whole.
    pub(super) sha256: [u8; 32],
    pub(super) parts: Vec<Part>,
}

/// What a server says of what it has.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) etag: Option<String>,
    /// SHA-256 in base64; of the parts' SHA-256 and with their number after a dash, if it was put
    /// in parts.
    pub(super) checksum: Option<String>,
    /// Encrypted with a key of a key service: the ETag says nothing then.
    pub(super) kms: bool,
}

impl Said {
    /// Whether it proves that the server has just these bytes: something fits, and nothing does
    /// not.
    fn proves(&self, checksum: &str, etag: &str) -> bool {
        let proofs = self.compare(checksum, etag);
        proofs.contains(&Some(true)) && !proofs.contains(&Some(false))
    }

    /// Whether the checksum and the ETag fit, as far as they say something.
    fn compare(&self, checksum: &str, etag: &str) -> [Option<bool>; 2] {
        let number = |text: &str| text.split('-').next().unwrap_or_default().to_owned();
        let checksum = self
            .checksum
            .as_deref()
            .map(|said| number(said) == number(checksum));
        let said = self.etag.as_deref().map(|etag| etag.trim_matches('"'));
        let etag = said
            .filter(|said| !self.kms && is_md5(said))
            .map(|said| said.eq_ignore_ascii_case(etag));
        [checksum, etag]
    }
}

/// Whether an ETag looks like the MD5 that S3 makes it: 32 hexadecimal digits, and the number of
/// parts if there are any.
fn is_md5(etag: &str) -> bool {
    let (digits, parts) = etag.split_once('-').unwrap_or((etag, "1"));
    digits.len() == 32
        && digits.bytes().all(|b| b.is_ascii_hexdigit())
        && parts.bytes().all(|b| b.is_ascii_digit())
}

impl Part {
    /// SHA-256 in base64.
    pub(super) fn checksum(&self) -> String {
        STANDARD.encode(self.sha256)
    }

    /// Whether what the server says of it shows that it has something else.
    pub(super) fn is_denied_by(&self, said: &Said) -> bool {
        let proofs = said.compare(&self.checksum(), &hex::encode(self.md5));
        proofs.contains(&Some(false))
    }
}

impl Sums {
    /// The checksum of the object that is made of it.
    pub(super) fn checksum(&self) -> String {
        if let [only] = &*self.parts {
            return only.checksum();
        }
        let all: Vec<u8> = self.parts.iter().flat_map(|part| part.sha256).collect();
        let sum = STANDARD.encode(digest::digest(&SHA256, &all));
        format!("{sum}-{}", self.parts.len())
    }

    fn etag(&self) -> String {
        if let [only] = &*self.parts {
            return hex::encode(only.md5);
        }
        let all: Vec<u8> = self.parts.iter().flat_map(|part| part.md5).collect();
        format!("{}-{}", hex::encode(Md5::digest(all)), self.parts.len())
    }

    /// Whether what the server says proves that it has these bytes.
    pub(super) fn are_proved_by(&self, said: &Said) -> bool {
        said.proves(&self.checksum(), &self.etag())
    }
}

/// Sums up bytes as they come.
struct Summing {
    part_bytes: u64,
    bytes: u64,
    whole: Context,
    parts: Vec<Part>,
    part: (u64, Context, Md5),
}

impl Summing {
    fn new(part_bytes: u64) -> Self {
        Self {
            part_bytes,
            bytes: 0,
            whole: Context::new(&SHA256),
            parts: Vec::new(),
            part: fresh(),
        }
    }

    fn add(&mut self, mut bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.whole.update(bytes);
        while !bytes.is_empty() {
            if self.part.0 == self.part_bytes {
                self.end_part();
            }
            let room = usize::try_from(self.part_bytes - self.part.0).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.part.0 += now.len() as u64;
            self.part.1.update(now);
            self.part.2.update(now);
            bytes = later;
        }
    }

    fn end_part(&mut self) {
        let (bytes, sha256, md5) = std::mem::replace(&mut self.part, fresh());
        self.parts.push(Part {
            bytes,
            sha256: array(sha256),
            md5: md5.finalize().into(),
        });
    }

    fn finish(mut self) -> Sums {
        self.end_part();
        Sums {
            bytes: self.bytes,
            sha256: array(self.whole),
            parts: self.parts,
        }
    }
}

fn fresh() -> (u64, Context, Md5) {
    (0, Context::new(&SHA256), Md5::new())
}

/// The sum of a context of SHA-256.
pub(super) fn array(context: Context) -> [u8; 32] {
    let sum = context.finish();
    sum.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Of bytes in memory, as one part.
pub(super) fn of_bytes(bytes: &[u8]) -> Sums {
    let mut summing = Summing::new(u64::MAX);
    summing.add(bytes);
    summing.finish()
}

/// Of a file, in parts of `part_bytes`, or larger ones if those would be too many.
pub(super) async fn of_file(file: &Path, part_bytes: u64) -> Result<Sums, StoreError> {
    let path = file.to_owned();
    let summing = tokio::task::spawn_blocking(move || read(&path, part_bytes)).await;
    let sums = summing.map_err(|_| std::io::Error::other("the process is being stopped"));
    sums.flatten().map_err(|error| unreadable(file, &error))
}

/// A file of ours that cannot be read.
pub(super) fn unreadable(file: &Path, error: &dyn std::error::Error) -> StoreError {
    let text = format!("cannot read {}: {}", file.display(), chain(error));
    StoreError::Temporary(text)
}

fn read(path: &Path, part_bytes: u64) -> std::io::Result<Sums> {
    let mut file = File::open(path)?;
    let least = file.metadata()?.len().div_ceil(PARTS_MAX);
    let mut summing = Summing::new(part_bytes.max(least).max(1));
    let mut block = vec![0; BLOCK];
    loop {
        match file.read(&mut block)? {
            0 => return Ok(summing.finish()),
            read => summing.add(&block[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_parts(bytes: &[u8], part_bytes: u64, step: usize) -> Sums {
        let mut summing = Summing::new(part_bytes);
        bytes.chunks(step).for_each(|some| summing.add(some));
        summing.finish()
    }

    fn said(checksum: Option<String>, etag: Option<&str>) -> Said {
        Said {
            checksum,
            etag: etag.map(str::to_owned),
            kms: false,
        }
    }

    #[test]
    fn a_file_is_as_many_parts_as_it_takes() {
        let bytes = vec![7; 1_000];
        for step in [1, 7, 1_000] {
            let sums = in_parts(&bytes, 300, step);
            let sizes: Vec<u64> = sums.parts.iter().map(|part| part.bytes).collect();
            assert_eq!(sizes, [300, 300, 300, 100]);
            assert_eq!(sums.bytes, 1_000);
            assert_eq!(sums.sha256, of_bytes(&bytes).sha256);
        }
        assert_eq!(in_parts(&bytes, 500, 1_000).parts.len(), 2);
        assert_eq!(in_parts(&bytes, 1_000, 1_000).parts.len(), 1);
        assert_eq!(of_bytes(&[]).parts.len(), 1);
    }

    #[test]
    fn the_sums_are_those_that_s3_makes() {
        let abc = of_bytes(b"abc");
        let checksum = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=";
        assert_eq!(abc.checksum(), checksum);
        assert_eq!(abc.etag(), "900150983cd24fb0d6963f7d28e17f72");
        let two = in_parts(b"abcabc", 3, 6);
        assert!(two.checksum().ends_with("=-2"), "{}", two.checksum());
        assert!(two.etag().ends_with("-2"), "{}", two.etag());
        assert_ne!(two.checksum(), in_parts(b"abcabc", 2, 6).checksum());
    }

    #[test]
    fn proof_is_something_that_fits_and_nothing_that_does_not() {
        let sums = of_bytes(b"abc");
        let (checksum, etag) = (sums.checksum(), sums.etag());
        let (right, wrong) = (Some(checksum.clone()), Some("AAAA".to_owned()));
        let proved = |said: Said| sums.are_proved_by(&said);
        assert!(proved(said(right.clone(), Some(&etag))));
        assert!(proved(said(right.clone(), None)));
        assert!(proved(said(None, Some(&format!("\"{etag}\"")))));
        // an ETag that is no MD5 says nothing either way
        assert!(proved(said(right.clone(), Some("opaque"))));
        assert!(!proved(said(None, Some("opaque"))));
        assert!(!proved(said(None, None)));
        assert!(!proved(said(wrong.clone(), Some(&etag))));
        let other = of_bytes(b"abd").etag();
        assert!(!proved(said(right.clone(), Some(&other))));
        assert!(!proved(said(wrong, None)));
        let encrypted = Said {
            kms: true,
            ..said(right, Some(&other))
        };
        assert!(proved(encrypted));
    }
}
