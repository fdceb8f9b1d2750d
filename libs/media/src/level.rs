//! Loudness in the steps of RFC 6464.

/// The client's audio level of a packet (RFC 6464 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender thinks that this is voice.
    pub voice: bool,
    /// Loudness in -dBov: 0 is the loudest, 127 silence.
    pub dbov: u8,
}

/// Silence in -dBov.
pub const SILENT_DBOV: u8 = 127;

impl AudioLevel {
    /// From the extension's byte.
    pub const fn from_byte(byte: u8) -> Self {
        Self {
            voice: byte & 0x80 != 0,
            dbov: byte & 0x7f,
        }
    }

    /// To the extension's byte.
    pub const fn to_byte(self) -> u8 {
        (if self.voice { 0x80 } else { 0 }) | (self.dbov & 0x7f)
    }
}

/// A linear level, 0.0 (silence) to 1.0 (a full-scale square wave, root mean square), in -dBov, 0
/// (loudest) to 127.
pub fn to_dbov(linear: f32) -> u8 {
    if linear.is_nan() || linear <= 0.0 {
        return SILENT_DBOV;
    }
    (-20.0 * linear.log10())
        .round()
        .clamp(0.0, f32::from(SILENT_DBOV)) as u8
}

/// A level in -dBov as a linear one, 0.0 to 1.0. 127 and more are silence.
pub fn from_dbov(dbov: u8) -> f32 {
    if dbov >= SILENT_DBOV {
        return 0.0;
    }
    10f32.powf(-f32::from(dbov) / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_survives_the_way_to_linear_and_back() {
        for dbov in 0..=127 {
            assert_eq!(to_dbov(from_dbov(dbov)), dbov);
        }
    }

    #[test]
    fn levels_out_of_range_are_the_nearest_step() {
        assert_eq!(to_dbov(7.0), 0);
        assert_eq!(to_dbov(-1.0), SILENT_DBOV);
        assert_eq!(to_dbov(f32::NAN), SILENT_DBOV);
        assert_eq!(to_dbov(1e-30), SILENT_DBOV);
        assert!(from_dbov(200).abs() < f32::EPSILON);
    }

    #[test]
    fn the_byte_carries_voice_and_level() {
        for byte in 0..=255 {
            assert_eq!(AudioLevel::from_byte(byte).to_byte(), byte);
        }
    }
}
