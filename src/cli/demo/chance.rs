//! Chance that repeats: SplitMix64, so that the demonstration's shop is the same
//! on every machine. Not for anything that must be secret.

use chrono::{NaiveDateTime, TimeDelta};

#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 up to, not including, `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next().checked_rem(end).unwrap_or(0)
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy, const N: usize>(&mut self, from: &[T; N]) -> T {
        const { assert!(N > 0) };
        from[self.below(N as u64) as usize]
    }

    /// A second in `[from, to)`; `from` where that is empty.
    pub fn moment(&mut self, from: NaiveDateTime, to: NaiveDateTime) -> NaiveDateTime {
        let seconds = u64::try_from((to - from).num_seconds()).unwrap_or(0);
        from + TimeDelta::seconds(self.below(seconds).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_published_numbers_of_splitmix64() {
        let mut chance = Chance::new(1_234_567);
        assert_eq!([chance.next(), chance.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn bounds_are_kept_even_when_they_are_empty() {
        let mut chance = Chance::new(1);
        assert!((0..1_000).all(|_| chance.below(7) < 7));
        assert_eq!(chance.below(0), 0);
        let at = NaiveDateTime::default();
        assert_eq!(chance.moment(at, at - TimeDelta::days(1)), at);
    }
}
