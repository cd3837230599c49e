//! What a payload claims to hold costs nothing: no length is believed.
//!
//! Alone in its process, because it looks at the process's memory.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot set itself up has failed"
)]

use ingest::decode::{MAX_PAYLOAD_BYTES, decode};
use model::{DeviceId, Reason};

/// The most memory that hostile payloads may make the process ask for.
const MAX_GROWTH_KIB: u64 = 1024;

/// The most address space that this process ever had, in KiB. It grows with every large request for
/// memory, also where the memory is never touched.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmPeak:"));
    let digits = line.unwrap().split_whitespace().nth(1);
    digits.unwrap().parse().unwrap()
}

/// CBOR items of every kind whose length or count is `2^32`, `2^63` or `2^64 - 1`, alone, as a
/// value, as a key, and behind a map that is fine.
fn claims() -> Vec<Vec<u8>> {
    let mut claims = Vec::new();
    for major in [2_u8, 3, 4, 5] {
        for length in [1 << 32, 1 << 63, u64::MAX] {
            let mut claim = vec![major << 5 | 27];
            claim.extend(u64::to_be_bytes(length));
            for before in [
                &[][..],
                &[0xa1, 0x61, b'x'],
                &[0xa1],
                &[0x82, 0xa0],
                &[0x9f],
            ] {
                for byte_count in [0, 100, MAX_PAYLOAD_BYTES - 20] {
                    claims.push([before, &claim, &vec![0x01; byte_count]].concat());
                }
            }
        }
    }
    claims
}

#[test]
fn claimed_lengths_take_no_memory() {
    let device = DeviceId::parse("ph-0001").unwrap();
    let claims = claims();
    // Once before, so that what any first use takes is there.
    assert_eq!(decode(&device, b"[{\"seq\":1}]").fault, None);
    let before = peak_kib();
    for payload in &claims {
        let fault = decode(&device, payload).fault;
        assert!(
            matches!(fault, Some(Reason::Syntax | Reason::Encoding)),
            "{fault:?}"
        );
    }
    let grown = peak_kib() - before;
    assert!(grown < MAX_GROWTH_KIB, "{grown} KiB more");
}
