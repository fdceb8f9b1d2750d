//! Every metric of the gateway.

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};

/// What a call counts. Counted in plain numbers, told every so often: the packet path touches no
/// registry.
#[derive(Debug, Default)]
pub(crate) struct Packets {
    /// Came from the upstream.
    pub(crate) received: u64,
    /// Went to monitor rooms' queues.
    pub(crate) forwarded: u64,
    /// Could not be forwarded: the codec cannot be published.
    pub(crate) unforwardable: u64,
}

/// The handles that packets are counted with.
#[derive(Clone)]
pub(crate) struct PacketCounters {
    received: Counter,
    forwarded: Counter,
    unforwardable: Counter,
}

impl PacketCounters {
    pub(crate) fn new() -> Self {
        Self {
            received: counter!("gateway_packets_received_total"),
            forwarded: counter!("gateway_packets_forwarded_total"),
            unforwardable: counter!("gateway_packets_unforwardable_total"),
        }
    }

    /// Tells what was counted and begins anew.
    pub(crate) fn add(&self, packets: &mut Packets) {
        let Packets {
            received,
            forwarded,
            unforwardable,
        } = std::mem::take(packets);
        for (counter, count) in [
            (&self.received, received),
            (&self.forwarded, forwarded),
            (&self.unforwardable, unforwardable),
        ] {
            if count > 0 {
                counter.increment(count);
            }
        }
    }
}

/// Counts one in a gauge while it lives.
pub(crate) struct Present(Gauge);

impl Present {
    /// A room that is tapped.
    pub(crate) fn tap() -> Self {
        Self::of(gauge!("gateway_taps"))
    }

    /// A call that goes on.
    pub(crate) fn call() -> Self {
        Self::of(gauge!("gateway_calls_active"))
    }

    /// A monitor room that we publish in.
    pub(crate) fn monitor() -> Self {
        Self::of(gauge!("gateway_monitor_rooms"))
    }

    /// Somebody who listens outside of LiveKit.
    pub(crate) fn feed() -> Self {
        Self::of(gauge!("gateway_feeds"))
    }

    /// A connection to a recogniser of speech.
    pub(crate) fn line() -> Self {
        Self::of(gauge!("gateway_recogniser_connections"))
    }

    fn of(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// From a packet's reading to the end of its sending, of one in [`ForwardLatency::ONE_IN`].
pub(crate) struct ForwardLatency {
    histogram: Histogram,
    seen: u32,
}

impl ForwardLatency {
    /// A sample a second and track: enough for a distribution, too few to cost anything.
    pub(crate) const ONE_IN: u32 = 50;

    pub(crate) fn new() -> Self {
        Self {
            histogram: histogram!("gateway_forward_seconds"),
            seen: 0,
        }
    }

    /// Whether the packet at hand is to be measured.
    pub(crate) fn is_due(&mut self) -> bool {
        self.seen = (self.seen + 1) % Self::ONE_IN;
        self.seen == 0
    }

    pub(crate) fn record(&self, took: Duration) {
        self.histogram.record(took.as_secs_f64());
    }
}

pub(crate) fn call_ended(class: &'static str) {
    counter!("gateway_calls_ended_total", "class" => class).increment(1);
}

pub(crate) fn joined(outcome: &'static str) {
    counter!("gateway_joins_total", "outcome" => outcome).increment(1);
}

pub(crate) fn dialled(outcome: &'static str) {
    counter!("gateway_dials_total", "outcome" => outcome).increment(1);
}

/// A stream that a vendor brought: what became of it.
pub(crate) fn stream(outcome: &'static str) {
    counter!("gateway_streams_total", "outcome" => outcome).increment(1);
}

pub(crate) fn rejoined(took: Duration) {
    histogram!("gateway_rejoin_seconds").record(took.as_secs_f64());
}

pub(crate) fn monitor_packets_dropped(count: u64) {
    counter!("gateway_monitor_packets_dropped_total").increment(count);
}

pub(crate) fn feed_cut() {
    counter!("gateway_feeds_cut_total").increment(1);
}

pub(crate) fn rooms_left_waiting(count: usize) {
    counter!("gateway_rooms_left_waiting_total").increment(count as u64);
}

pub(crate) fn tracks_left_out() {
    counter!("gateway_tracks_left_out_total").increment(1);
}

pub(crate) fn held_packets_lost(count: u64) {
    counter!("gateway_held_packets_lost_total").increment(count);
}

/// A connection to a recogniser of speech: what became of it.
pub(crate) fn recogniser(outcome: &'static str) {
    counter!("gateway_recogniser_connections_total", "outcome" => outcome).increment(1);
}

/// Speech that nobody recognised.
pub(crate) fn unrecognised_ms(ms: u64) {
    if ms > 0 {
        counter!("gateway_unrecognised_milliseconds_total").increment(ms);
    }
}

/// Says what each metric means; called once by the binary.
pub fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("gateway_taps", "Rooms that are tapped");
    describe_gauge!("gateway_calls_active", "Calls that go on");
    describe_gauge!(
        "gateway_monitor_rooms",
        "Monitor rooms that are published in"
    );
    describe_gauge!("gateway_feeds", "Listeners outside of LiveKit");
    describe_counter!(
        "gateway_feeds_cut_total",
        "Listeners outside of LiveKit that were cut off because they were too slow"
    );
    describe_counter!("gateway_joins_total", "Attempts to tap a room, by outcome");
    describe_counter!(
        "gateway_dials_total",
        "Attempts to open an upstream's socket, by outcome"
    );
    describe_counter!(
        "gateway_streams_total",
        "Streams that vendors brought, by what became of them"
    );
    describe_counter!(
        "gateway_calls_ended_total",
        "Calls that ended, by whose doing it was"
    );
    describe_counter!("gateway_packets_received_total", "Packets of calls");
    describe_counter!(
        "gateway_packets_forwarded_total",
        "Packets handed to monitor rooms"
    );
    describe_counter!(
        "gateway_packets_unforwardable_total",
        "Packets whose codec cannot be published"
    );
    describe_counter!(
        "gateway_monitor_packets_dropped_total",
        "Packets dropped because a monitor room's queue was full"
    );
    describe_counter!(
        "gateway_rooms_left_waiting_total",
        "Rooms that were not tapped because as many as allowed are"
    );
    describe_counter!(
        "gateway_tracks_left_out_total",
        "Tracks that were not tapped because their call has as many as allowed"
    );
    describe_counter!(
        "gateway_held_packets_lost_total",
        "Packets lost while nobody said whether they may be recorded"
    );
    describe_gauge!(
        "gateway_recogniser_connections",
        "Connections to recognisers of speech"
    );
    describe_counter!(
        "gateway_recogniser_connections_total",
        "Connections to recognisers of speech, by what became of them"
    );
    describe_counter!(
        "gateway_unrecognised_milliseconds_total",
        "Speech that was lost before a recogniser had it"
    );
    describe_histogram!(
        "gateway_forward_seconds",
        "Reading a packet to having forwarded it"
    );
    describe_histogram!(
        "gateway_rejoin_seconds",
        "Losing a room to being back in it"
    );
}
