//! Pages to packets, checking everything that can be checked.

use super::crc;

/// Packets may grow over pages up to this; ours are below 3 KiB, comment headers are the largest.
const MAX_PACKET_BYTES: usize = 1 << 20;

/// What is wrong with a file. Offsets are bytes from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OggError {
    /// No page begins here.
    #[error("no Ogg page at byte {0}")]
    NotAPage(usize),
    /// The file ends within a page.
    #[error("the file ends within the page at byte {0}")]
    Truncated(usize),
    /// The page was changed.
    #[error("wrong checksum of the page at byte {0}")]
    Checksum(usize),
    /// Pages are missing or doubled.
    #[error("page {found} at byte {at}, page {expected} was due")]
    Sequence {
        /// Where.
        at: usize,
        /// The number due.
        expected: u32,
        /// The number found.
        found: u32,
    },
    /// A page of another logical stream.
    #[error("a page of another stream (serial {serial:#x}) at byte {at}")]
    OtherStream {
        /// Where.
        at: usize,
        /// Its serial number.
        serial: u32,
    },
    /// A packet begins before the file, ends after it, or is over 1 MiB.
    #[error("a broken packet on the page at byte {0}")]
    BrokenPacket(usize),
}

/// A packet of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OggPacket {
    /// Its bytes.
    pub data: Vec<u8>,
    /// The page's granule position, for the last packet that ends on a page.
    pub granule: Option<u64>,
    /// It is the last of the stream, and marked so.
    pub last: bool,
}

/// Reads the packets of a file with one logical stream. Ends after the first error.
#[derive(Debug)]
pub struct Reader<'a> {
    file: &'a [u8],
    at: usize,
    page: u32,
    serial: Option<u32>,
    partial: Vec<u8>,
    ready: std::collections::VecDeque<OggPacket>,
    failed: bool,
}

struct Page<'a> {
    flags: u8,
    granule: u64,
    lacing: &'a [u8],
    body: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of a whole file.
    pub fn new(file: &'a [u8]) -> Self {
        Self {
            file,
            at: 0,
            page: 0,
            serial: None,
            partial: Vec::new(),
            ready: std::collections::VecDeque::new(),
            failed: false,
        }
    }

    fn next_page(&mut self) -> Result<Page<'a>, OggError> {
        let at = self.at;
        let bytes = &self.file[at..];
        if !b"OggS\0".starts_with(&bytes[..bytes.len().min(5)]) {
            return Err(OggError::NotAPage(at));
        }
        let (header, rest) = bytes
            .split_first_chunk::<27>()
            .ok_or(OggError::Truncated(at))?;
        let word =
            |n: usize| u32::from_le_bytes([header[n], header[n + 1], header[n + 2], header[n + 3]]);
        let segments = usize::from(header[26]);
        let (lacing, rest) = rest
            .split_at_checked(segments)
            .ok_or(OggError::Truncated(at))?;
        let length = lacing.iter().map(|&l| usize::from(l)).sum();
        let body = rest.get(..length).ok_or(OggError::Truncated(at))?;
        let checksum = crc::update(0, &header[..22]);
        let checksum = crc::update(checksum, &[0, 0, 0, 0, header[26]]);
        let checksum = crc::update(crc::update(checksum, lacing), body);
        if checksum != word(22) {
            return Err(OggError::Checksum(at));
        }
        let serial = word(14);
        if *self.serial.get_or_insert(serial) != serial {
            return Err(OggError::OtherStream { at, serial });
        }
        if word(18) != self.page {
            return Err(OggError::Sequence {
                at,
                expected: self.page,
                found: word(18),
            });
        }
        self.page = self.page.wrapping_add(1);
        self.at += 27 + segments + length;
        let granule = u64::from(word(6)) | u64::from(word(10)) << 32;
        Ok(Page {
            flags: header[5],
            granule,
            lacing,
            body,
        })
    }

    fn take_packets(&mut self, page: &Page<'_>, at: usize) -> Result<(), OggError> {
        let continued = page.flags & 1 != 0;
        if continued == self.partial.is_empty() {
            return Err(OggError::BrokenPacket(at));
        }
        let mut body = page.body;
        let mut open = continued;
        for &length in page.lacing {
            let (segment, rest) = body.split_at(usize::from(length));
            body = rest;
            self.partial.extend_from_slice(segment);
            if self.partial.len() > MAX_PACKET_BYTES {
                return Err(OggError::BrokenPacket(at));
            }
            open = length == 255;
            if !open {
                let data = std::mem::take(&mut self.partial);
                self.ready.push_back(OggPacket {
                    data,
                    granule: None,
                    last: false,
                });
            }
        }
        let last = page.flags & 4 != 0;
        if last && open {
            return Err(OggError::BrokenPacket(at));
        }
        if let Some(packet) = self.ready.back_mut() {
            packet.granule = Some(page.granule);
            packet.last = last;
        }
        Ok(())
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<OggPacket, OggError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(packet) = self.ready.pop_front() {
                return Some(Ok(packet));
            }
            let at = self.at;
            if self.failed || at >= self.file.len() {
                let cut = !self.failed && !self.partial.is_empty();
                self.failed = true;
                return cut.then_some(Err(OggError::BrokenPacket(at)));
            }
            let taken = self
                .next_page()
                .and_then(|page| self.take_packets(&page, at));
            if let Err(error) = taken {
                self.failed = true;
                self.ready.clear();
                return Some(Err(error));
            }
        }
    }
}
