//! The same map in both formats.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| headcount_fuzz::same_in_json_and_cbor(bytes));
