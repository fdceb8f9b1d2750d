//! Simulated calls with verdicts; benches against yardsticks
