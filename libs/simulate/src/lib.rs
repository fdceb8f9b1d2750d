//! Simulated calls with real speech, for the demo, tests and load tests
