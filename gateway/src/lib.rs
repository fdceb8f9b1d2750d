//! Taps live calls and fans them out: monitor rooms, recorder, levels
