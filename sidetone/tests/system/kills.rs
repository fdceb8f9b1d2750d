//! What a process that is killed has kept.

use sidetone_testkit::Kills;

use crate::office;

/// What a kill may cost of a recording, in milliseconds: at worst, and in the middle.
const WORST_MS: u64 = 1000;
const MEDIAN_MS: u64 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_five_times_in_ten_calls_keeps_each_of_them_once_but_for_its_last_moment()
{
    let _machine = office::alone().await;
    let kills = Kills {
        rounds: 5,
        calls: 10,
    };
    let report = kills.run(office::binary(), |_, _| {}).await;
    println!(
        "{} kills of {} calls: {} recordings, {} ms lost at worst, {} ms in the middle; \
         listed {:?} after the start",
        kills.rounds,
        kills.calls,
        report.recordings,
        report.worst_ms(),
        report.median_ms(),
        report.listed,
    );
    assert!(report.worst_ms() <= WORST_MS, "{:?}", report.missing_ms);
    assert!(report.median_ms() <= MEDIAN_MS, "{:?}", report.missing_ms);
}
