//! An object of the store as a reader that blocks.

use std::io::{self, Read};

use axum::body::Bytes;
use futures_util::StreamExt as _;
use sidetone_vault::{Bytestream, Object};
use tokio::runtime::Handle;

/// Reads an object from its start on a thread that may block; opens it when it is read first.
pub(super) struct Blocking {
    handle: Handle,
    object: Object,
    stream: Option<Bytestream>,
    pending: Bytes,
}

impl Blocking {
    pub(super) fn new(handle: Handle, object: Object) -> Self {
        Self {
            handle,
            object,
            stream: None,
            pending: Bytes::new(),
        }
    }
}

impl Read for Blocking {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Self {
            handle,
            object,
            stream,
            pending,
        } = self;
        while pending.is_empty() {
            let stream = if let Some(stream) = stream {
                stream
            } else {
                let opened = handle.block_on(object.read(0..object.len()));
                stream.insert(opened.map_err(io::Error::other)?)
            };
            match handle.block_on(stream.next()) {
                Some(bytes) => *pending = bytes.map_err(io::Error::other)?,
                None => return Ok(0),
            }
        }
        let taken = out.len().min(pending.len());
        out[..taken].copy_from_slice(&pending.split_to(taken));
        Ok(taken)
    }
}
