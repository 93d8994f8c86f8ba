#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert!(guichet_fuzz::run("payer_address", data));
});
