//! Pages to packets, checking everything that can be checked.

use std::collections::VecDeque;

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
    pages: Pages,
}

impl<'a> Reader<'a> {
    /// A reader of a whole file.
    pub fn new(file: &'a [u8]) -> Self {
        Self {
            file,
            at: 0,
            pages: Pages::default(),
        }
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<OggPacket, OggError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(packet) = self.pages.ready.pop_front() {
                return Some(Ok(packet));
            }
            if self.pages.failed {
                return None;
            }
            match self.pages.page(&self.file[self.at..], self.at) {
                Ok(Some(length)) => self.at += length,
                Ok(None) => {
                    let end = self.pages.end(self.file.len() - self.at, self.at);
                    return end.err().map(Err);
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Reads the packets of a file whose bytes come one after the other: for files that are too
/// large to hold. Holds a page (64 KiB), a packet, and what was pushed last.
#[derive(Debug, Default)]
pub struct Demuxer {
    buffer: Vec<u8>,
    /// Bytes of the buffer that were taken apart.
    used: usize,
    /// Offset in the file of the first byte that was not.
    at: usize,
    pages: Pages,
}

impl Demuxer {
    /// Takes the file's next bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next packet, `None` when it needs more bytes.
    ///
    /// # Errors
    /// What is wrong with the file; nothing comes after it.
    pub fn next_packet(&mut self) -> Result<Option<OggPacket>, OggError> {
        loop {
            if let Some(packet) = self.pages.ready.pop_front() {
                return Ok(Some(packet));
            }
            if self.pages.failed {
                return Ok(None);
            }
            let Some(length) = self.pages.page(&self.buffer[self.used..], self.at)? else {
                return Ok(None);
            };
            self.used += length;
            self.at += length;
        }
    }

    /// Says that the file ends here.
    ///
    /// # Errors
    /// When it ends within a page or a packet.
    pub fn end(&mut self) -> Result<(), OggError> {
        self.pages.end(self.buffer.len() - self.used, self.at)
    }
}

/// Which page is due, and the packets of those before it.
#[derive(Debug, Default)]
struct Pages {
    due: u32,
    serial: Option<u32>,
    partial: Vec<u8>,
    ready: VecDeque<OggPacket>,
    failed: bool,
}

struct Page<'a> {
    flags: u8,
    granule: u64,
    lacing: &'a [u8],
    body: &'a [u8],
}

impl Pages {
    /// Takes in the page that `bytes` begin with, at byte `at` of the file, and gives its length;
    /// `None` when there are too few bytes.
    fn page(&mut self, bytes: &[u8], at: usize) -> Result<Option<usize>, OggError> {
        let taken = self.parse(bytes, at).and_then(|page| {
            let Some((page, length)) = page else {
                return Ok(None);
            };
            self.take_packets(&page, at)?;
            Ok(Some(length))
        });
        if taken.is_err() {
            self.failed = true;
            self.ready.clear();
        }
        taken
    }

    /// Says that the file ends at byte `at`, or `rest` bytes after it within a page.
    fn end(&mut self, rest: usize, at: usize) -> Result<(), OggError> {
        if std::mem::replace(&mut self.failed, true) {
            Ok(())
        } else if rest > 0 {
            Err(OggError::Truncated(at))
        } else if self.partial.is_empty() {
            Ok(())
        } else {
            Err(OggError::BrokenPacket(at))
        }
    }

    fn parse<'a>(
        &mut self,
        bytes: &'a [u8],
        at: usize,
    ) -> Result<Option<(Page<'a>, usize)>, OggError> {
        if !b"OggS\0".starts_with(&bytes[..bytes.len().min(5)]) {
            return Err(OggError::NotAPage(at));
        }
        let Some((header, rest)) = bytes.split_first_chunk::<27>() else {
            return Ok(None);
        };
        let word =
            |n: usize| u32::from_le_bytes([header[n], header[n + 1], header[n + 2], header[n + 3]]);
        let segments = usize::from(header[26]);
        let Some((lacing, rest)) = rest.split_at_checked(segments) else {
            return Ok(None);
        };
        let length = lacing.iter().map(|&l| usize::from(l)).sum();
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
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
        if word(18) != self.due {
            return Err(OggError::Sequence {
                at,
                expected: self.due,
                found: word(18),
            });
        }
        self.due = self.due.wrapping_add(1);
        let page = Page {
            flags: header[5],
            granule: u64::from(word(6)) | u64::from(word(10)) << 32,
            lacing,
            body,
        };
        Ok(Some((page, 27 + segments + length)))
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
