//! What a device does with its time: when it is awake, and when its battery is dead.
//!
//! All of it follows from the device's seed and the time alone, is worked out when asked for and
//! is never stored. Live heartbeats and history are both read from here, so they cannot disagree.

use chrono::{Datelike as _, Offset as _, TimeZone as _, Weekday};
use chrono_tz::Tz;

use crate::draw::{bell, mix};
use crate::timetable::{DAY, HOUR, MINUTE, Micros, Timetable, instant};

/// The hour of the local clock at which a day of driving ends and the next begins: the one at
/// which the fewest are on the road.
const DAY_BEGINS: Micros = 4 * HOUR;

/// The most times that a device wakes up in a day.
const OUTINGS: usize = 2;

/// How far a device's own habit is from what is usual for its use, in minutes.
const HABIT_SPREAD_MINS: i64 = 50;

/// By how many points of a hundred the chance of driving differs between two days of a country
/// (rain, a match, pay day).
const MOOD_PERCENT: i64 = 5;

const DAY_SALT: u64 = 0xDA11_DA11;
const MOOD_SALT: u64 = 0x300D;

/// Batteries that run down: of a thousand devices 15 in any week, and each is silent for one to
/// four days.
const DEAD_BATTERIES: Episodes = Episodes {
    salt: 0xBA77,
    every: 7 * DAY,
    permille: 15,
    earliest: BATTERY_FALLS,
    latest: 3 * DAY,
    shortest: DAY,
    longest: 4 * DAY,
};

/// For so long before it is dead, a battery's voltage falls.
const BATTERY_FALLS: Micros = 12 * HOUR;

/// What a device's car is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// A unit that never sleeps: a fleet car on a charger, or one wired to the car's supply.
    Powered,
    /// A taxi or a ride hailer: nearly all day and part of the night.
    Hire,
    /// A van: daytime, Monday to Saturday.
    Delivery,
    /// To work and back.
    Commuter,
    /// Errands on some working days, trips at the weekend.
    Family,
}

/// The uses, with their parts of the fleet.
pub(crate) const USES: &[(Use, u32)] = &[
    (Use::Powered, 44),
    (Use::Hire, 18),
    (Use::Delivery, 16),
    (Use::Commuter, 10),
    (Use::Family, 12),
];

/// A time for which a car may be on the road: usual values, and how far a day may be off them.
#[derive(Debug, Clone, Copy)]
struct Outing {
    chance_percent: i64,
    /// Of the local clock.
    starts_mins: i64,
    starts_spread_mins: i64,
    lasts_mins: i64,
    lasts_spread_mins: i64,
}

const fn outing(
    chance_percent: i64,
    (starts_mins, starts_spread_mins): (i64, i64),
    (lasts_mins, lasts_spread_mins): (i64, i64),
) -> Outing {
    Outing {
        chance_percent,
        starts_mins,
        starts_spread_mins,
        lasts_mins,
        lasts_spread_mins,
    }
}

/// Minutes since midnight.
const fn clock(hour: i64, minute: i64) -> i64 {
    hour * 60 + minute
}

impl Use {
    /// When a car is on the road on such a day, in order.
    fn outings(self, weekday: Weekday) -> &'static [Outing] {
        const HIRE: [Outing; 1] = [outing(94, (clock(6, 15), 200), (18 * 60, 300))];
        const HIRE_SATURDAY: [Outing; 1] = [outing(84, (clock(7, 0), 200), (17 * 60 + 30, 300))];
        const HIRE_SUNDAY: [Outing; 1] = [outing(62, (clock(7, 30), 150), (14 * 60, 300))];
        const DELIVERY: [Outing; 1] = [outing(95, (clock(7, 0), 150), (11 * 60 + 30, 150))];
        const DELIVERY_SATURDAY: [Outing; 1] = [outing(45, (clock(7, 15), 120), (7 * 60, 150))];
        const COMMUTER: [Outing; OUTINGS] = [
            outing(92, (clock(7, 0), 130), (110, 50)),
            outing(90, (clock(16, 50), 140), (150, 80)),
        ];
        const COMMUTER_WEEKEND: [Outing; 1] = [outing(38, (clock(10, 30), 240), (4 * 60, 150))];
        const FAMILY: [Outing; OUTINGS] = [
            outing(35, (clock(7, 10), 90), (80, 45)),
            outing(45, (clock(15, 30), 240), (3 * 60, 100)),
        ];
        const FAMILY_SATURDAY: [Outing; 1] = [outing(72, (clock(9, 30), 200), (8 * 60, 200))];
        const FAMILY_SUNDAY: [Outing; 1] = [outing(64, (clock(9, 45), 200), (6 * 60, 200))];
        match (self, weekday) {
            (Self::Powered, _) | (Self::Delivery, Weekday::Sun) => &[],
            (Self::Hire, Weekday::Sun) => &HIRE_SUNDAY,
            (Self::Hire, Weekday::Sat) => &HIRE_SATURDAY,
            (Self::Hire, _) => &HIRE,
            (Self::Delivery, Weekday::Sat) => &DELIVERY_SATURDAY,
            (Self::Delivery, _) => &DELIVERY,
            (Self::Commuter, Weekday::Sat | Weekday::Sun) => &COMMUTER_WEEKEND,
            (Self::Commuter, _) => &COMMUTER,
            (Self::Family, Weekday::Sat) => &FAMILY_SATURDAY,
            (Self::Family, Weekday::Sun) => &FAMILY_SUNDAY,
            (Self::Family, _) => &FAMILY,
        }
    }
}

/// A time for which a device does one thing: `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spell {
    pub(crate) from: Micros,
    pub(crate) until: Micros,
    /// It sends in every slot; else it sleeps and looks in now and then.
    pub(crate) awake: bool,
}

impl Spell {
    /// No time at all; to be replaced by the first that is asked for.
    pub(crate) const NONE: Self = Self {
        from: 0,
        until: 0,
        awake: false,
    };
}

/// One day of a device: `[from, until)`, with the times in it, in order, at which it is awake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Day {
    number: i64,
    from: Micros,
    until: Micros,
    awake: [(Micros, Micros); OUTINGS],
}

impl Day {
    /// What the device does from `at` on, as long as it does the same; `None` on another day.
    fn spell_at(&self, at: Micros) -> Option<Spell> {
        if at < self.from || at >= self.until {
            return None;
        }
        let mut asleep_from = self.from;
        for (from, until) in self.awake {
            if at < from {
                return Some(Spell {
                    from: asleep_from,
                    until: from,
                    awake: false,
                });
            }
            if at < until {
                return Some(Spell {
                    from,
                    until,
                    awake: true,
                });
            }
            asleep_from = asleep_from.max(until);
        }
        Some(Spell {
            from: asleep_from,
            until: self.until,
            awake: false,
        })
    }
}

/// A device's way of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) seed: u64,
    /// Its home clock, which it also keeps abroad.
    pub(crate) zone: Tz,
    pub(crate) used_for: Use,
}

impl Life {
    /// The midnight with which a day of the local clock begins, the day being counted from 1970.
    /// Where the clock is changed in the day, by the clock before.
    fn midnight(&self, number: i64) -> Micros {
        let utc = instant(number.saturating_mul(DAY)).naive_utc();
        let offset = self.zone.offset_from_utc_datetime(&utc).fix();
        number.saturating_mul(DAY) - i64::from(offset.local_minus_utc()) * 1_000_000
    }

    /// The number of the day that holds an instant.
    fn day_number(&self, at: Micros) -> i64 {
        // No clock is a day off, so it is this one or a neighbour.
        let mut number = at.div_euclid(DAY) + 1;
        while self.midnight(number).saturating_add(DAY_BEGINS) > at {
            number -= 1;
        }
        number
    }

    /// The plan of a day.
    fn day(&self, number: i64) -> Day {
        let midnight = self.midnight(number);
        let from = midnight.saturating_add(DAY_BEGINS);
        let until = self.midnight(number + 1).saturating_add(DAY_BEGINS);
        let mut day = Day {
            number,
            from,
            until,
            awake: [(until, until); OUTINGS],
        };
        if self.used_for == Use::Powered {
            day.awake[0] = (from, until);
            return day;
        }
        let mut own = fastrand::Rng::with_seed(self.seed);
        let habit = bell(&mut own, HABIT_SPREAD_MINS);
        let number = number.unsigned_abs();
        let mut rng = fastrand::Rng::with_seed(mix(self.seed ^ DAY_SALT, number));
        let country = self.zone.name().bytes();
        let country = country.fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
        let moods = MOOD_PERCENT.unsigned_abs() * 2 + 1;
        let mood = mix(country ^ MOOD_SALT, number) % moods;
        let mood = i64::try_from(mood).unwrap_or(0) - MOOD_PERCENT;
        let weekday = instant(day.number.saturating_mul(DAY)).weekday();
        let mut free_from = from;
        let outings = self.used_for.outings(weekday);
        for (stretch, outing) in day.awake.iter_mut().zip(outings) {
            let drives = rng.i64(0..100) < outing.chance_percent + mood;
            let starts = outing.starts_mins + habit + bell(&mut rng, outing.starts_spread_mins);
            let lasts = outing.lasts_mins + bell(&mut rng, outing.lasts_spread_mins);
            let begin = midnight.saturating_add(starts * MINUTE + rng.i64(0..MINUTE));
            let end = begin.saturating_add(lasts * MINUTE).clamp(from, until);
            let begin = begin.max(free_from);
            if drives && begin < end {
                *stretch = (begin, end);
                free_from = end;
            } else {
                *stretch = (free_from, free_from);
            }
        }
        day
    }

    /// What the device does at an instant, by its habits; its battery is another matter. `day`
    /// remembers the day that was looked at last.
    pub(crate) fn spell_at(&self, day: &mut Option<Day>, at: Micros) -> Spell {
        if let Some(spell) = day.as_ref().and_then(|day| day.spell_at(at)) {
            return spell;
        }
        let next = |day: &Day| (day.until == at).then(|| self.day(day.number + 1));
        let this = day
            .as_ref()
            .and_then(next)
            // Where a clock once skipped a day, that day has no length.
            .filter(|day| day.until > at)
            .unwrap_or_else(|| self.day(self.day_number(at)));
        *day = Some(this);
        this.spell_at(at).unwrap_or(Spell {
            from: at,
            until: at.saturating_add(DAY),
            awake: false,
        })
    }

    /// The first slot, from this one on, that the device means to use. `spell` is any spell of
    /// this device before; then it is the one in which that slot is due.
    pub(crate) fn planned_slot(
        &self,
        timetable: &Timetable,
        day: &mut Option<Day>,
        spell: &mut Spell,
        mut slot: u64,
    ) -> u64 {
        loop {
            let at = timetable.micros(self.seed, slot);
            if at < spell.from || at >= spell.until {
                *spell = self.spell_at(day, at);
            }
            if spell.awake {
                return slot;
            }
            let check_in = timetable.check_in(self.seed, slot);
            if check_in == slot || timetable.micros(self.seed, check_in) < spell.until {
                return check_in;
            }
            slot = timetable.first_slot(self.seed, spell.until);
        }
    }

    /// The first slot, from this one on, that the device uses: as planned, but not while its
    /// battery is dead.
    pub(crate) fn used_slot(
        &self,
        timetable: &Timetable,
        day: &mut Option<Day>,
        spell: &mut Spell,
        mut slot: u64,
    ) -> u64 {
        loop {
            slot = self.planned_slot(timetable, day, spell, slot);
            match self.dead_until(timetable.micros(self.seed, slot)) {
                Some(until) => slot = timetable.first_slot(self.seed, until),
                None => return slot,
            }
        }
    }

    /// Until when the battery is dead, if it is.
    pub(crate) fn dead_until(&self, at: Micros) -> Option<Micros> {
        let episode = DEAD_BATTERIES.at(self.seed, at).episode?;
        episode.contains(at).then_some(episode.until)
    }

    /// An instant up to which the battery stays as alive or dead as it is.
    pub(crate) fn battery_same_until(&self, at: Micros) -> Micros {
        DEAD_BATTERIES.at(self.seed, at).same_until(at)
    }

    /// How far a battery that is about to die has run down, in thousandths.
    pub(crate) fn battery_fallen_permille(&self, at: Micros) -> i32 {
        let Some(episode) = DEAD_BATTERIES.at(self.seed, at).episode else {
            return 0;
        };
        let left = episode.from - at;
        if !(1..BATTERY_FALLS).contains(&left) {
            return 0;
        }
        i32::try_from((BATTERY_FALLS - left) / (BATTERY_FALLS / 1000)).unwrap_or(0)
    }
}

/// Something that befalls a device now and then, at most once in each of its cycles.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Episodes {
    pub(crate) salt: u64,
    /// The length of a cycle; each device's begin at an instant of its own.
    pub(crate) every: Micros,
    /// In so many of a thousand cycles.
    pub(crate) permille: u64,
    /// When it begins, after the beginning of the cycle. Ends within the cycle.
    pub(crate) earliest: Micros,
    pub(crate) latest: Micros,
    /// How long it lasts.
    pub(crate) shortest: Micros,
    pub(crate) longest: Micros,
}

/// One time that it happened: `[from, until)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Episode {
    pub(crate) from: Micros,
    pub(crate) until: Micros,
    /// To draw from what else there is to say about it.
    pub(crate) seed: u64,
}

impl Episode {
    pub(crate) fn contains(&self, at: Micros) -> bool {
        (self.from..self.until).contains(&at)
    }
}

/// One cycle, and what happens in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cycle {
    pub(crate) episode: Option<Episode>,
    until: Micros,
}

impl Cycle {
    /// The next instant at which an episode may begin or end.
    pub(crate) fn same_until(&self, at: Micros) -> Micros {
        match self.episode {
            Some(episode) if at < episode.from => episode.from,
            Some(episode) if at < episode.until => episode.until,
            _ => self.until,
        }
    }
}

impl Episodes {
    /// The cycle of a device that holds an instant.
    pub(crate) fn at(&self, seed: u64, at: Micros) -> Cycle {
        let own = mix(seed, self.salt);
        let shift = i64::try_from(own % self.every.unsigned_abs()).unwrap_or(0);
        let number = at.saturating_add(shift).div_euclid(self.every);
        let begins = number.saturating_mul(self.every).saturating_sub(shift);
        let mut rng = fastrand::Rng::with_seed(mix(own, number.unsigned_abs()));
        let happens = rng.u64(0..1000) < self.permille;
        let episode = happens.then(|| {
            let from = begins.saturating_add(rng.i64(self.earliest..=self.latest));
            Episode {
                from,
                until: from.saturating_add(rng.i64(self.shortest..=self.longest)),
                seed: rng.u64(..),
            }
        });
        Cycle {
            episode,
            until: begins.saturating_add(self.every),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Instant;
    use proptest::prelude::*;

    fn life(seed: u64, zone: Tz, used_for: Use) -> Life {
        Life {
            seed,
            zone,
            used_for,
        }
    }

    #[test]
    fn the_uses_are_all_of_the_fleet() {
        assert_eq!(USES.iter().map(|(_, weight)| weight).sum::<u32>(), 100);
    }

    #[test]
    fn vans_rest_on_sundays_and_work_by_day() {
        // A Monday, 04:00 in Manila.
        let monday = "2026-11-15T20:00:00Z".parse::<Instant>().unwrap();
        let monday = monday.timestamp_micros();
        let mut awake = [0_i64; 7];
        for seed in 0..200 {
            let life = life(mix(seed, 1), Tz::Asia__Manila, Use::Delivery);
            for (number, awake) in (0..).zip(&mut awake) {
                let mut day = None;
                let mut at = monday + number * DAY;
                while at < monday + (number + 1) * DAY {
                    let spell = life.spell_at(&mut day, at);
                    assert!(spell.from <= at && spell.until > at);
                    if spell.awake {
                        *awake += 1;
                        let today = monday + number * DAY;
                        assert!(spell.from >= today, "after 04:00");
                        assert!(spell.until <= today + 20 * HOUR, "before midnight");
                    }
                    at = spell.until;
                }
            }
        }
        assert!(awake[..5].iter().all(|count| *count >= 170), "{awake:?}");
        assert!((60..120).contains(&awake[5]), "{awake:?}");
        assert_eq!(awake[6], 0);
    }

    #[test]
    fn batteries_die_for_days_in_one_or_two_weeks_of_a_hundred() {
        let (weeks, devices) = (10, 2000);
        let mut deaths = 0;
        for seed in 0..devices {
            let life = life(mix(seed, 9), Tz::Asia__Tokyo, Use::Family);
            let start = 1_760_000_000_000_000;
            let (mut at, end) = (start, start + weeks * 7 * DAY);
            while at < end {
                if let Some(until) = life.dead_until(at) {
                    deaths += 1;
                    // One that was dead at the start has been for a while.
                    let first = at == start;
                    assert!(first || until - at >= DAY);
                    assert!(until - at <= 4 * DAY);
                    assert_eq!(life.battery_fallen_permille(at), 0);
                    assert_eq!(life.dead_until(until), None);
                    let falling = life.battery_fallen_permille(at - BATTERY_FALLS / 2);
                    assert!(first || falling >= 499, "{falling}");
                }
                at = life.battery_same_until(at);
            }
        }
        let weekly_permille = deaths * 1000 / (weeks * i64::try_from(devices).unwrap());
        assert!((10..=20).contains(&weekly_permille), "{weekly_permille}");
    }

    proptest! {
        #[test]
        fn spells_tile_time_in_every_zone(
            seed in any::<u64>(),
            zone in prop::sample::select(chrono_tz::TZ_VARIANTS.to_vec()),
            used_for in prop::sample::select(USES.iter().map(|(used_for, _)| *used_for).collect::<Vec<_>>()),
            start_secs in 0_i64..4_000_000_000,
        ) {
            let life = life(seed, zone, used_for);
            let start = start_secs * 1_000_000;
            let (mut day, mut at) = (None, start);
            while at < start + 5 * DAY {
                let spell = life.spell_at(&mut day, at);
                prop_assert!(spell.from <= at && at < spell.until);
                prop_assert!(spell.until - at <= 2 * DAY);
                // From wherever one looks, it is the same.
                let middle = at + (spell.until - at) / 2;
                prop_assert_eq!(life.spell_at(&mut None, middle), spell);
                prop_assert_eq!(life.spell_at(&mut None, spell.until - 1), spell);
                at = spell.until;
            }
        }
    }
}
