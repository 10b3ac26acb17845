//! Whether the officer's approval lets a plan destroy what it destroys.

use super::{ledger::history::Approved, policy::Officer};

/// Why a rule that asks for approval may not be destroyed yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    #[error("it needs the officer's approval of a plan, and this cycle carries out none")]
    NoPlan,
    #[error("nobody has approved this plan")]
    Nobody,
    #[error("two persons are needed, and nobody says who carries it out; hint: add `--by NAME`")]
    Anonymous,
    #[error("two persons are needed, and {by} has approved it and would carry it out")]
    OnePerson { by: String },
}

/// Decides for a plan that `by` carries out. `approvals`: of exactly this plan.
pub fn judge(officer: &Officer, approvals: Option<&[Approved]>, by: Option<&str>) -> Result<(), NotApproved> {
    let approvals = approvals.ok_or(NotApproved::NoPlan)?;
    let Some(first) = approvals.first() else { return Err(NotApproved::Nobody) };
    if !officer.four_eyes {
        return Ok(());
    }
    let by = by.ok_or(NotApproved::Anonymous)?;
    if approvals.iter().any(|approved| !same_person(&approved.by, by)) {
        return Ok(());
    }
    Err(NotApproved::OnePerson { by: first.by.clone() })
}

/// Names that differ in case or spacing only are one person's.
#[must_use]
pub fn same_person(one: &str, other: &str) -> bool {
    let words = |name: &str| name.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    words(one) == words(other)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn officer(four_eyes: bool) -> Officer {
        Officer { title: "officer".to_owned(), contact: "privacy@example.com".to_owned(), four_eyes }
    }

    fn by(names: &[&str]) -> Vec<Approved> {
        names.iter().map(|name| Approved { by: (*name).to_owned(), time: DateTime::UNIX_EPOCH }).collect()
    }

    #[test]
    fn without_a_plan_or_an_approval_of_it_nothing_is_destroyed() {
        assert_eq!(judge(&officer(false), None, Some("ops")), Err(NotApproved::NoPlan));
        assert_eq!(judge(&officer(false), Some(&[]), Some("ops")), Err(NotApproved::Nobody));
        assert_eq!(judge(&officer(false), Some(&by(&["kim"])), None), Ok(()));
        assert_eq!(judge(&officer(false), Some(&by(&["kim"])), Some("kim")), Ok(()));
    }

    #[test]
    fn with_four_eyes_who_approves_is_not_who_carries_out() {
        let one = by(&["Kim Officer"]);
        assert_eq!(judge(&officer(true), Some(&one), Some("lee")), Ok(()));
        assert_eq!(judge(&officer(true), Some(&one), None), Err(NotApproved::Anonymous));
        for spelled in ["Kim Officer", " kim  OFFICER "] {
            let refused = judge(&officer(true), Some(&one), Some(spelled));
            assert_eq!(refused, Err(NotApproved::OnePerson { by: "Kim Officer".to_owned() }), "{spelled}");
        }
        let two = by(&["Kim Officer", "Lee Deputy"]);
        assert_eq!(judge(&officer(true), Some(&two), Some("Kim Officer")), Ok(()), "a second person has approved it");
    }
}
