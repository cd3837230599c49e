//! A topic filter in the first line, a topic behind it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| headcount_fuzz::topic(bytes));
