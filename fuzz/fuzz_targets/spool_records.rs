#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| recorder::fuzzing::spool_records(bytes));
