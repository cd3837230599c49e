//! The vertical axis, by the same rules as on the page.

/// Steps of an axis, times a power of ten.
const STEPS: [f64; 5] = [1.0, 2.0, 2.5, 5.0, 10.0];

/// The narrowest part of the whole that an axis may show.
const NARROWEST: f64 = 0.3;

/// Below so many devices an axis always starts at 0: 3 of 20 is honest from there.
const SMALL_FLEET: f64 = 40.0;

/// From so much of the height on, what happened is seen from 0 as well.
const SEEN_FROM_ZERO: f64 = 0.6;

/// An axis of whole devices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) step: f64,
}

impl Scale {
    /// From 0 to above the largest, with about `lines` lines across.
    pub(crate) fn from_zero(values: impl Iterator<Item = i64>, lines: u32) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a fleet has far fewer than 2^52 devices"
        )]
        let top = values.fold(4.0_f64, |top, value| top.max(value as f64));
        let step = round_step(top / f64::from(lines.max(1)));
        Self {
            min: 0.0,
            max: (top * 1.02 / step).ceil() * step,
            step,
        }
    }

    /// The axis of the last hours. From 0 a loss of 8 % is a scratch; but an axis that follows the
    /// data closely makes every flicker a catastrophe. So it starts at 0 where what happened fills
    /// a good part of the height anyway, and is otherwise cut, never to less than three tenths of
    /// the whole.
    pub(crate) fn for_dips(values: impl Iterator<Item = i64> + Clone, lines: u32) -> Self {
        let (Some(lowest), Some(highest)) = (values.clone().min(), values.clone().max()) else {
            return Self::from_zero(values, lines);
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "a fleet has far fewer than 2^52 devices"
        )]
        let (lowest, highest) = (lowest as f64, highest as f64);
        let shown = ((highest - lowest) * 1.25).max(highest * NARROWEST);
        if highest < SMALL_FLEET || shown >= highest * SEEN_FROM_ZERO {
            return Self::from_zero(values, lines);
        }
        let step = round_step(shown / f64::from(lines.max(1)));
        let bottom = lowest.min(highest - shown * 0.9);
        Self {
            min: ((bottom / step).floor() * step).max(0.0),
            max: ((highest + (highest - lowest) * 0.08) / step).ceil() * step,
            step,
        }
    }

    /// Where the lines across are, from the lowest.
    pub(crate) fn lines(self) -> impl Iterator<Item = f64> {
        std::iter::successors(Some(self.min), move |at| Some(at + self.step))
            .take_while(move |at| *at <= self.max + self.step / 2.0)
    }

    /// How far up a value is: 0 at the bottom, 1 at the top.
    pub(crate) fn share(self, value: f64) -> f64 {
        ((value - self.min) / (self.max - self.min)).clamp(0.0, 1.0)
    }
}

fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.max(1.0).log10().floor());
    let step = STEPS
        .into_iter()
        .find(|step| step * power >= rough)
        .unwrap_or(10.0);
    // Devices are whole.
    (step * power).ceil().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_round_and_hold_every_value() {
        let cases = [
            (vec![], (0.0, 4.0 + 1.0, 1.0)),
            (vec![0], (0.0, 5.0, 1.0)),
            (vec![7], (0.0, 8.0, 2.0)),
            (vec![20], (0.0, 25.0, 5.0)),
            (vec![1_210, 900], (0.0, 1_500.0, 500.0)),
            (vec![98_000], (0.0, 100_000.0, 25_000.0)),
        ];
        for (values, (min, max, step)) in cases {
            let scale = Scale::from_zero(values.iter().copied(), 4);
            assert_eq!(scale, Scale { min, max, step }, "{values:?}");
        }
    }

    #[test]
    fn a_dip_is_seen_and_a_flicker_is_none() {
        let axis = |values: &[i64]| Scale::for_dips(values.iter().copied(), 4);
        // A flicker of 1 % takes a thirtieth of the height.
        let flicker = axis(&[1_000, 990]);
        let height = flicker.share(1_000.0) - flicker.share(990.0);
        assert!((0.02..0.05).contains(&height), "{flicker:?}");
        let dip = axis(&[1_000, 900]);
        assert!(
            dip.min > 0.0 && dip.share(1_000.0) - dip.share(900.0) > 0.2,
            "{dip:?}"
        );
        assert_eq!(axis(&[1_000, 400]).min, 0.0);
        assert_eq!(axis(&[20, 17]).min, 0.0);
        assert_eq!(axis(&[]).min, 0.0);
    }

    #[test]
    fn lines_go_from_bottom_to_top() {
        let scale = Scale {
            min: 800.0,
            max: 1_000.0,
            step: 100.0,
        };
        assert_eq!(scale.lines().collect::<Vec<_>>(), [800.0, 900.0, 1_000.0]);
        assert_eq!(scale.share(800.0), 0.0);
        assert_eq!(scale.share(1_000.0), 1.0);
        assert_eq!(scale.share(2_000.0), 1.0);
    }
}
