//! What the fuzz targets run, and the tests with the corpus: each function takes any bytes and
//! panics where a promise of this crate is broken.

use sidetone_codec::g722;
use sidetone_wire::ConnectionKind;

use crate::recognise;
use crate::source::inward::{self, Family};

/// An entry: any bytes.
pub type Entry = fn(&[u8]);

/// The fuzz targets by name: that of the program in `fuzz/fuzz_targets` and of the folder in
/// `fuzz/corpus`.
pub const TARGETS: [(&str, Entry); 10] = [
    ("listen_vapi", listen_vapi),
    ("room_retell", room_retell),
    ("inward_media", inward_media),
    ("inward_jambonz", inward_jambonz),
    ("inward_audiohook", inward_audiohook),
    ("inward_audiosocket", inward_audiosocket),
    ("sound_g722", sound_g722),
    ("recognise_deepgram", recognise_deepgram),
    ("recognise_assemblyai", recognise_assemblyai),
    ("recognise_openai", recognise_openai),
];

/// Whatever comes on a listen socket and whenever, what is made of it is bounded and has its place.
pub fn listen_vapi(bytes: &[u8]) {
    crate::source::listen::fuzz_vapi(bytes);
}

/// The same of a stream that Twilio, one that does as it does, or Vonage brings.
pub fn inward_media(bytes: &[u8]) {
    inward::fuzz(Family::Media, bytes);
}

/// The same of a stream that jambonz brings.
pub fn inward_jambonz(bytes: &[u8]) {
    inward::fuzz(Family::Jambonz, bytes);
}

/// The same of a stream that Genesys brings.
pub fn inward_audiohook(bytes: &[u8]) {
    inward::fuzz(Family::Audiohook, bytes);
}

/// The same of a stream that Asterisk brings.
pub fn inward_audiosocket(bytes: &[u8]) {
    inward::fuzz(Family::Audiosocket, bytes);
}

/// Whatever Retell answers whoever asks for a call's room, what is read of it is bounded.
pub fn room_retell(bytes: &[u8]) {
    crate::guest::invitation::fuzz(bytes);
}

/// Any bytes are sound of G.722, in pieces as in one.
pub fn sound_g722(bytes: &[u8]) {
    let whole = g722::Decoder::new().decode(bytes);
    assert_eq!(whole.len(), bytes.len() * g722::SAMPLES_PER_BYTE);
    let mut decoder = g722::Decoder::new();
    let pieces = bytes.chunks(77).flat_map(|piece| decoder.decode(piece));
    assert!(pieces.eq(whole));
}

/// Whatever a recogniser of speech says, a line for each message, what is made of it is bounded.
pub fn recognise_deepgram(bytes: &[u8]) {
    recognise::fuzz(ConnectionKind::Deepgram, bytes);
}

/// The same.
pub fn recognise_assemblyai(bytes: &[u8]) {
    recognise::fuzz(ConnectionKind::Assemblyai, bytes);
}

/// The same.
pub fn recognise_openai(bytes: &[u8]) {
    recognise::fuzz(ConnectionKind::Openai, bytes);
}
