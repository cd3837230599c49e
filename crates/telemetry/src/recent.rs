//! Quantiles of the last minutes.

use std::time::{Duration, Instant};

/// How many slices of time are remembered.
const SLICES: usize = 5;

/// How long a slice is.
const SLICE: Duration = Duration::from_secs(60);

/// Each doubling is divided into so many buckets, as a power of two: what is told is at most an
/// eighth more than what was.
const DIVISION_BITS: u32 = 3;

/// Buckets for any number of microseconds.
const BUCKETS: usize = (u64::BITS as usize) << DIVISION_BITS;

/// How long things took in the last five minutes, as counts in buckets that grow with the time.
#[derive(Debug)]
pub struct RecentDurations {
    /// The counts of the running slice first.
    slices: [Box<[u32; BUCKETS]>; SLICES],
    began_at: Instant,
}

impl RecentDurations {
    /// Nothing yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            slices: std::array::from_fn(|_| Box::new([0; BUCKETS])),
            began_at: now,
        }
    }

    /// Takes note of one.
    pub fn add(&mut self, took: Duration, now: Instant) {
        self.turn(now);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let count = &mut self.slices[0][bucket(micros)];
        *count = count.saturating_add(1);
    }

    /// The time within which so many of a hundred were done; `None` while there were none.
    pub fn percentile(&mut self, percent: u64, now: Instant) -> Option<Duration> {
        self.turn(now);
        let total: u64 = self
            .slices
            .iter()
            .flat_map(|slice| slice.iter())
            .map(|n| u64::from(*n))
            .sum();
        let wanted = (total * percent).div_ceil(100).max(1);
        let mut counted = 0;
        (0..BUCKETS).find_map(|index| {
            counted += self
                .slices
                .iter()
                .map(|slice| u64::from(slice[index]))
                .sum::<u64>();
            (counted >= wanted).then(|| Duration::from_micros(upper(index)))
        })
    }

    /// Begins new slices for the time that has passed.
    fn turn(&mut self, now: Instant) {
        for _ in 0..SLICES {
            if now.saturating_duration_since(self.began_at) < SLICE {
                return;
            }
            self.slices.rotate_right(1);
            self.slices[0].fill(0);
            self.began_at += SLICE;
        }
        // Longer ago than all slices together: all are empty now.
        self.began_at = now.max(self.began_at);
    }
}

/// The bucket of a number: its highest bits after the first, and how many follow.
fn bucket(micros: u64) -> usize {
    let octave = micros.max(1).ilog2();
    let Some(shift) = octave.checked_sub(DIVISION_BITS) else {
        return micros as usize;
    };
    let within = (micros >> shift) as usize & ((1 << DIVISION_BITS) - 1);
    ((shift as usize + 1) << DIVISION_BITS) + within
}

/// The largest number in a bucket.
fn upper(index: usize) -> u64 {
    let (row, within) = (
        index >> DIVISION_BITS,
        (index & ((1 << DIVISION_BITS) - 1)) as u64,
    );
    if row == 0 {
        return within;
    }
    let shift = row - 1;
    let next = u128::from((1 << DIVISION_BITS) + within + 1) << shift;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_numbers_and_is_at_most_an_eighth_wide() {
        let mut previous = None;
        for index in 0..=bucket(u64::MAX) {
            let (low, high) = (previous.map_or(0, |high: u64| high + 1), upper(index));
            assert_eq!((bucket(low), bucket(high)), (index, index));
            assert!(high - low <= low / 8, "{low}..={high}");
            previous = Some(high);
        }
        assert_eq!(previous, Some(u64::MAX));
    }

    #[test]
    fn percentiles_are_of_the_last_five_minutes() {
        let start = Instant::now();
        let mut recent = RecentDurations::new(start);
        assert_eq!(recent.percentile(99, start), None);
        let millis = Duration::from_millis;
        for took in 1..=100 {
            recent.add(millis(took), start);
        }
        let within = |told: Option<Duration>, exact: u64| {
            let told = told.unwrap();
            told >= millis(exact) && told <= millis(exact) * 9 / 8
        };
        assert!(within(recent.percentile(99, start), 99));
        assert!(within(recent.percentile(50, start), 50));

        let later = start + 4 * SLICE;
        recent.add(millis(900), later);
        assert!(within(recent.percentile(100, later), 900));
        assert!(within(recent.percentile(50, later), 51));
        let much_later = start + SLICES as u32 * SLICE;
        assert!(within(recent.percentile(50, much_later), 900));
        assert_eq!(recent.percentile(99, start + 100 * SLICE), None);
    }
}
