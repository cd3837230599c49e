//! Numbers that look random and depend on nothing but what they are asked for.

/// One number of two, all bits of which depend on both.
pub(crate) fn mix(seed: u64, number: u64) -> u64 {
    fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).u64(..)
}

/// A whole number around zero, at most `spread` from it and most often near it.
pub(crate) fn bell(rng: &mut fastrand::Rng, spread: i64) -> i64 {
    let spread = spread.max(0);
    let sum: i64 = (0..3).map(|_| rng.i64(-spread..=spread)).sum();
    sum / 3
}

/// Picks by weight; `None` of an empty list.
pub(crate) fn pick<'a, T>(
    rng: &mut fastrand::Rng,
    items: &'a [T],
    weight: impl Fn(&T) -> u32,
) -> Option<&'a T> {
    let total: u32 = items.iter().map(&weight).sum();
    if total == 0 {
        return None;
    }
    let mut rest = rng.u32(0..total);
    items
        .iter()
        .find(|item| match rest.checked_sub(weight(item)) {
            Some(less) => {
                rest = less;
                false
            }
            None => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pick_follows_the_weights() {
        let mut rng = fastrand::Rng::with_seed(1);
        let items = [("never", 0), ("often", 3), ("seldom", 1)];
        let often = (0..1000)
            .filter(|_| pick(&mut rng, &items, |item| item.1).unwrap().0 == "often")
            .count();
        assert!((650..850).contains(&often), "{often}");
        assert_eq!(pick(&mut rng, &items[..1], |item| item.1), None);
    }

    #[test]
    fn a_bell_is_narrow_and_even() {
        let mut rng = fastrand::Rng::with_seed(1);
        let drawn: Vec<_> = (0..3000).map(|_| bell(&mut rng, 90)).collect();
        assert!(drawn.iter().all(|number| number.abs() <= 90));
        let mean = drawn.iter().sum::<i64>() / 3000;
        assert!(mean.abs() <= 3, "{mean}");
        let near = drawn.iter().filter(|number| number.abs() <= 45).count();
        assert!(near > 2300, "{near} of 3000 within half the spread");
        assert_eq!(bell(&mut rng, 0), 0);
    }
}
