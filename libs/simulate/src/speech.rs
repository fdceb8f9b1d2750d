//! A conversation as sound, for vendors that send samples.

use sidetone_codec::{CodecError, OpusDecoder};

use crate::conversation::{Conversation, Silence};
use crate::listen::Sound;
use crate::script::{Script, Side};

/// Samples a second.
const RATE: f64 = 48_000.0;

/// What the two of a script say, over and over.
#[derive(Debug, Clone)]
pub struct Speech {
    customer: Vec<i16>,
    agent: Vec<i16>,
}

impl Speech {
    /// The sound of a script.
    ///
    /// # Errors
    /// When its packets cannot be decoded.
    pub fn of(script: &'static Script) -> Result<Self, CodecError> {
        let conversation = Conversation::new(script, 100);
        let said = |side| -> Result<Vec<i16>, CodecError> {
            let mut decoder = OpusDecoder::new()?;
            let mut samples = Vec::new();
            for packet in conversation.voice(side, Silence::Continuous).flatten() {
                samples.extend_from_slice(decoder.decode(&packet.payload)?);
            }
            Ok(samples)
        };
        Ok(Self {
            customer: said(Side::Customer)?,
            agent: said(Side::Agent)?,
        })
    }

    /// How long it is before it begins again.
    pub fn seconds(&self) -> f64 {
        self.customer.len() as f64 / RATE
    }
}

impl Sound for Speech {
    fn at(&self, side: Side, seconds: f64) -> f64 {
        let samples = match side {
            Side::Customer => &self.customer,
            Side::Agent => &self.agent,
        };
        let at = (seconds * RATE) as usize % samples.len().max(1);
        samples
            .get(at)
            .map_or(0.0, |sample| f64::from(*sample) / 32_768.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script;

    #[test]
    fn both_sides_are_heard_and_it_begins_again() {
        let speech = Speech::of(&script::all()[0]).unwrap();
        let length = speech.seconds();
        assert!(length > 5.0, "{length} s");
        for side in [Side::Customer, Side::Agent] {
            let at = |seconds| speech.at(side, seconds);
            let loud =
                (0..(length * 1_000.0) as u32).any(|ms| at(f64::from(ms) / 1_000.0).abs() > 0.1);
            assert!(loud, "{side:?}");
            assert!((at(1.0) - at(1.0 + length)).abs() < 1e-9);
        }
    }
}
