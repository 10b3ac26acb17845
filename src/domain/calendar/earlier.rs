//! The policy before the one in force, while a newly adopted policy arms.
//!
//! A period that a new policy shortened does not end earlier than the old one
//! before `until`: the undo window after an adoption is over, and the policy has
//! taken effect. What it lengthened is longer at once. Both follow from one rule:
//! `due = max(new, min(old, until))`.

use chrono::{DateTime, Utc};

use super::{Calendar, Counting, Term, counting};
use crate::domain::policy::Policy;

#[derive(Debug, Clone)]
pub(super) struct Earlier<'a> {
    pub policy: &'a Policy,
    pub calendar: Calendar<'a>,
    pub until: DateTime<Utc>,
}

impl<'a> Calendar<'a> {
    /// The calendar of a policy that took the place of another one, and arms at
    /// `until`. `calendar` is the other one's, with those before it.
    #[must_use]
    pub fn after(self, policy: &'a Policy, calendar: Calendar<'a>, until: DateTime<Utc>) -> Self {
        Self { earlier: Some(Box::new(Earlier { policy, calendar, until })), ..self }
    }

    /// The instant at which the policy arms, where another one went before it.
    #[must_use]
    pub fn arms_at(&self) -> Option<DateTime<Utc>> {
        self.earlier.as_ref().map(|earlier| earlier.until)
    }

    /// A term of this policy, not before the earlier one's while it arms. `old` is
    /// the earlier term, `None` where there was no such rule.
    pub(super) fn held_back(&self, own: Term, old: impl Fn(&Earlier<'a>) -> Option<Term>) -> Term {
        let Some(earlier) = self.earlier.as_deref().filter(|earlier| own.due < earlier.until) else {
            return own;
        };
        let due = old(earlier).map_or(earlier.until, |old| old.due.min(earlier.until));
        if due <= own.due { own } else { Term { due, latest: self.latest_of(due), ..own } }
    }

    /// `destroy_within` after a due that no period of this policy gave.
    fn latest_of(&self, due: DateTime<Utc>) -> DateTime<Utc> {
        if self.counting == Counting::Calendar {
            let latest = counting::plus_with_time(super::zone::latest_shown(self.zone, due), self.destroy_within);
            return latest.map_or(DateTime::<Utc>::MAX_UTC, |latest| super::instant_of(self.zone, latest));
        }
        let date = counting::plus(self.date_of(due), self.destroy_within);
        date.map_or(DateTime::<Utc>::MAX_UTC, |date| self.start_of(date))
    }
}
