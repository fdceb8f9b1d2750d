#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sidetone_vault::fuzzing::object(bytes));
