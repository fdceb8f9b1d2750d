//! A LiveKit client without libwebrtc: packets in, packets out
