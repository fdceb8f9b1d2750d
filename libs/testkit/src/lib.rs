//! Dev only: real servers, tones in, tones out, waiting with deadlines
