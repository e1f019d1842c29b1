#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rulestone_fuzz::text_reader(bytes));
