//! Times as text.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| headcount_fuzz::timestamp(bytes));
