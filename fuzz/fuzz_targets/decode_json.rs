//! Payloads that start like JSON, and what mutation makes of them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| headcount_fuzz::payload(bytes));
