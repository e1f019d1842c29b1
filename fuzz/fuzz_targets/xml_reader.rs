#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rulestone_fuzz::xml_reader(bytes));
