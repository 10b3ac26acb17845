//! The residue horizon: by when the last known copy of a removed row is gone,
//! from what the deployment declares and what an engine says of its logs.

use chrono::{DateTime, Days, Months, TimeDelta, Utc};

use super::{
    deployment::Medium,
    id::SourceName,
    period::{Period, Unit},
    residue::{Location, State},
    verdict::Finding,
};

/// The engine archives its log, and how long the archive lives is declared with
/// the backups that need it.
pub const ARCHIVE: &str = "archive";

/// Adds the places outside of the engine that hold copies of what was removed at
/// `since`: backups, and the archive of the log, as they are declared.
pub fn declared(backups_kept: Option<Period>, since: DateTime<Utc>, locations: &mut Vec<Location>) {
    let Some(kept) = backups_kept else { return };
    let until = after(since, kept);
    locations.iter_mut().filter(|location| location.name == ARCHIVE).for_each(|archive| archive.until = until);
    if kept.count == 0 {
        return;
    }
    let reason = format!("backups of this source are kept for {kept}");
    locations.push(Location { until, ..Location::unsearched("backups", reason) });
}

/// What nobody declared keeps a verdict from PASS, though it cannot keep a
/// destruction open for ever.
#[must_use]
pub fn undeclared(source: &SourceName, backups_kept: Option<Period>, medium: Medium) -> Finding {
    let mut finding = Finding::pass();
    if backups_kept.is_none() {
        let what = "how long its backups live is not declared (backups.kept)";
        finding.absorb(Finding::unknown(format!("source {source}: {what}")));
    }
    if medium == Medium::Unknown {
        let what = "what becomes of freed blocks below the engine is not declared (medium)";
        finding.absorb(Finding::unknown(format!("source {source}: {what}")));
    }
    finding
}

/// When a log of which every part lives for `seconds` holds nothing any more
/// that was written before `now`. 0 seconds: for ever.
#[must_use]
pub fn log_expiry(now: DateTime<Utc>, seconds: u64) -> Option<DateTime<Utc>> {
    let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds > 0)?;
    now.checked_add_signed(TimeDelta::try_seconds(seconds)?)
}

/// The dates of an earlier scan hold on: a copy that it dated does not live
/// longer because somebody looked again. What was written since is not of this
/// case. Only an undated location gets the date of the later scan.
pub fn keep_dates(earlier: &[Location], later: &mut [Location]) {
    for location in later.iter_mut().filter(|location| location.state != State::Clean) {
        let before = earlier.iter().find(|before| before.name == location.name && before.state != State::Clean);
        if let Some(until) = before.and_then(|before| before.until) {
            location.until = Some(until);
        }
    }
}

fn after(since: DateTime<Utc>, kept: Period) -> Option<DateTime<Utc>> {
    match kept.unit {
        Unit::Days => since.checked_add_days(Days::new(kept.count.into())),
        Unit::Weeks => since.checked_add_days(Days::new(u64::from(kept.count) * 7)),
        Unit::Months => since.checked_add_months(Months::new(kept.count)),
        Unit::Years => since.checked_add_months(Months::new(kept.count.checked_mul(12)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{fixture::at, verdict::Verdict};

    #[test]
    fn declared_periods_of_every_unit_end_when_they_should() {
        let since = at("2026-01-31T00:00:00Z");
        let ends = [
            ("0 days", "2026-01-31"),
            ("35 days", "2026-03-07"),
            ("2 weeks", "2026-02-14"),
            ("1 month", "2026-02-28"),
            ("3 years", "2029-01-31"),
        ];
        for (kept, end) in ends {
            let end = at(&format!("{end}T00:00:00Z"));
            assert_eq!(after(since, kept.parse().unwrap()), Some(end), "{kept}");
        }
    }

    #[test]
    fn a_log_without_expiry_has_no_date() {
        let now = at("2026-01-01T00:00:00Z");
        assert_eq!(log_expiry(now, 0), None);
        assert_eq!(log_expiry(now, 86_400), Some(at("2026-01-02T00:00:00Z")));
        assert_eq!(log_expiry(now, u64::MAX), None);
    }

    #[test]
    fn a_later_look_does_not_put_a_date_off() {
        let dated = |until: &str| vec![Location { until: Some(at(until)), ..Location::unsearched("binlog", "x") }];
        let (earlier, mut later) = (dated("2026-01-10T00:00:00Z"), dated("2026-01-20T00:00:00Z"));
        keep_dates(&earlier, &mut later);
        assert_eq!(later, earlier);
        let mut undated = vec![Location::unsearched("wal", "x")];
        keep_dates(&undated.clone(), &mut undated);
        assert_eq!(undated[0].until, None);
    }

    #[test]
    fn what_is_not_declared_is_unknown() {
        let (shop, kept) = ("shop".into(), Some("35 days".parse().unwrap()));
        assert_eq!(undeclared(&shop, None, Medium::Unknown).verdict, Verdict::Unknown);
        assert_eq!(undeclared(&shop, kept, Medium::Unknown).reasons.len(), 1);
        assert_eq!(undeclared(&shop, None, Medium::Discard).reasons.len(), 1);
        assert_eq!(undeclared(&shop, kept, Medium::Encrypted), Finding::pass());
        let since = at("2026-01-01T00:00:00Z");
        let archive = || vec![Location::unsearched(ARCHIVE, "the log is archived")];
        let mut locations = archive();
        declared(None, since, &mut locations);
        assert_eq!(locations, archive());
        declared(kept, since, &mut locations);
        let until = Some(at("2026-02-05T00:00:00Z"));
        assert_eq!(locations.iter().map(|location| location.until).collect::<Vec<_>>(), [until, until]);
        assert!(locations.iter().all(|location| location.state == State::Unsearched));
        let mut none = Vec::new();
        declared(Some("0 days".parse().unwrap()), since, &mut none);
        assert!(none.is_empty(), "there are no backups");
    }
}
