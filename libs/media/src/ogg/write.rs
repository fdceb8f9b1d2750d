//! Packets to pages.

use super::crc;

/// A page ends once it holds this much sound, in samples at 48 kHz: 1 s (RFC 7845 section 6 asks
/// for it, so that a cut file and a seek lose little).
const PAGE_SAMPLES: u64 = 48_000;
/// Lacing values that fit on a page.
const MAX_SEGMENTS: usize = 255;
/// Bytes of the page header before the lacing values.
const HEADER_BYTES: usize = 27;
/// Granule position of a page on which no packet ends.
const NO_GRANULE: u64 = u64::MAX;

const CONTINUED: u8 = 1;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// Writes one logical stream. It appends to a buffer that its owner writes out and empties
/// whenever it likes; every byte in it is part of a whole page.
#[derive(Debug)]
pub struct Writer {
    serial: u32,
    page: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
    /// End of the last packet that ends on this page.
    granule: u64,
    /// Where the page before ended.
    page_start: u64,
    /// The page begins within a packet.
    continued: bool,
}

impl Writer {
    /// Begins a stream with this serial number (any; it tells streams in one file apart), this
    /// identification header and this comment header, each on pages of its own.
    pub fn new(serial: u32, head: &[u8], tags: &[u8], out: &mut Vec<u8>) -> Self {
        let mut writer = Self {
            serial,
            page: 0,
            lacing: Vec::with_capacity(MAX_SEGMENTS),
            body: Vec::new(),
            granule: NO_GRANULE,
            page_start: 0,
            continued: false,
        };
        for header in [head, tags] {
            writer.push(header, 0, out);
            writer.end_page(0, out);
        }
        writer
    }

    /// Appends a packet after which the stream is `granule` samples long, counted at 48 kHz from
    /// its very start (before pre-skip).
    pub fn packet(&mut self, packet: &[u8], granule: u64, out: &mut Vec<u8>) {
        self.push(packet, granule, out);
        if granule.saturating_sub(self.page_start) >= PAGE_SAMPLES {
            self.end_page(0, out);
        }
    }

    /// Appends the last packet. `granule` may be less than what its packets sum up to: players
    /// leave out what is beyond it.
    pub fn end(mut self, packet: &[u8], granule: u64, out: &mut Vec<u8>) {
        self.push(packet, granule, out);
        self.end_page(LAST, out);
    }

    fn push(&mut self, packet: &[u8], granule: u64, out: &mut Vec<u8>) {
        let segments = packet.len() / 255 + 1;
        if !self.lacing.is_empty() && self.lacing.len() + segments > MAX_SEGMENTS {
            self.end_page(0, out);
        }
        let mut rest = packet;
        while rest.len() >= 255 {
            if self.lacing.len() == MAX_SEGMENTS {
                self.end_page(0, out);
                self.continued = true;
            }
            let (segment, after) = rest.split_at(255);
            self.lacing.push(255);
            self.body.extend_from_slice(segment);
            rest = after;
        }
        if self.lacing.len() == MAX_SEGMENTS {
            self.end_page(0, out);
            self.continued = true;
        }
        self.lacing.push(rest.len() as u8);
        self.body.extend_from_slice(rest);
        self.granule = granule;
    }

    fn end_page(&mut self, last: u8, out: &mut Vec<u8>) {
        let continued = if self.continued { CONTINUED } else { 0 };
        let first = if self.page == 0 { FIRST } else { 0 };
        let start = out.len();
        out.extend_from_slice(b"OggS\0");
        out.push(continued | first | last);
        out.extend_from_slice(&self.granule.to_le_bytes());
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.page.to_le_bytes());
        out.extend_from_slice(&[0; 4]); // the checksum, computed with zeros in its place
        out.push(self.lacing.len() as u8);
        debug_assert_eq!(out.len() - start, HEADER_BYTES);
        out.extend_from_slice(&self.lacing);
        out.extend_from_slice(&self.body);
        let checksum = crc::update(0, &out[start..]);
        out[start + 22..start + 26].copy_from_slice(&checksum.to_le_bytes());
        if self.granule != NO_GRANULE {
            self.page_start = self.granule;
        }
        self.page += 1;
        self.lacing.clear();
        self.body.clear();
        self.granule = NO_GRANULE;
        self.continued = false;
    }
}
