#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert!(guichet::fuzz::run("instant", data));
});
