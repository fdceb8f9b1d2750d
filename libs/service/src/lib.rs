//! Config, telemetry, lifecycle, clock, randomness
