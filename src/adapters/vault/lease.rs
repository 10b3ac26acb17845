//! The lease of a vault: one row of `meta` that says who may write, until when
//! by the vault server's own clock, and under which number. The number grows
//! with every holder: whoever comes back with an older one can do nothing. No
//! SQL and no connection.

use std::{fs, io, os::unix::fs::MetadataExt as _, time::Duration};

use super::contents::unreadable;
use crate::ports::VaultError;

/// How long a lease lasts after it was renewed: longer than any batch takes,
/// short enough to be waited for after the loss of a host.
pub const LASTS: Duration = Duration::from_secs(60);

pub(super) const META_LEASE: &str = "lease";

/// The expiry of a lease that was given back.
const RELEASED: i64 = 0;

/// Who asks for the lease, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Host and process, for people.
    pub holder: String,
    /// The lock under which the process runs, as nobody else on any host would
    /// call it. Who has the same one knows that a former holder is gone.
    pub seat: String,
    pub lasts: Duration,
}

impl Claim {
    /// The claim of a process that holds this lock: the kernel's boot and the
    /// file's own identity. A copy of the file is another seat.
    pub fn under(lock: &fs::File) -> io::Result<Self> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        let file = lock.metadata()?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self {
            holder: format!("{host}, process {}", std::process::id()),
            seat: format!("{}/{}/{}", boot.trim(), file.dev(), file.ino()),
            lasts: LASTS,
        })
    }

    pub(super) fn lasts_ms(&self) -> i64 {
        i64::try_from(self.lasts.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The lease as the vault has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lease {
    token: i64,
    expires_ms: i64,
    seat: String,
    holder: String,
}

impl Lease {
    pub(super) fn read(text: &str) -> Result<Self, VaultError> {
        let mut parts = text.splitn(4, ' ');
        let mut part = || parts.next().ok_or_else(|| unreadable("a lease"));
        let number = |text: &str| text.parse().map_err(|_| unreadable("a lease"));
        Ok(Self {
            token: number(part()?)?,
            expires_ms: number(part()?)?,
            seat: part()?.to_owned(),
            holder: part()?.to_owned(),
        })
    }

    /// An expiry that lies further ahead than a lease lasts was written under a
    /// clock that was wrong; twice as far, so that a clock may be set by a little.
    /// Who still has such a lease is fenced like anybody who is late.
    const fn is_over(&self, now_ms: i64, lasts_ms: i64) -> bool {
        let left_ms = self.expires_ms.saturating_sub(now_ms);
        left_ms <= 0 || left_ms > lasts_ms.saturating_mul(2)
    }

    /// Somebody had it, never gave it back, and is late.
    const fn is_abandoned(&self, now_ms: i64, lasts_ms: i64) -> bool {
        self.expires_ms != RELEASED && self.is_over(now_ms, lasts_ms)
    }

    /// Why nobody else may have it now.
    pub(super) fn held(&self, now_ms: i64) -> VaultError {
        let left_s = (self.expires_ms - now_ms).max(0).unsigned_abs().div_ceil(1000);
        let until = chrono::DateTime::from_timestamp_millis(self.expires_ms).map_or_else(String::new, |until| {
            format!(" (until {} by the vault's clock)", until.format("%H:%M:%S UTC"))
        });
        VaultError::Locked {
            reason: format!(
                "{} holds its lease for another {left_s} s{until} and may renew it; hint: wait for it; a runner that \
                 has died is followed when the lease is over",
                self.holder
            ),
        }
    }

    fn taken_over(&self) -> VaultError {
        VaultError::TakenOver { reason: format!("{} took over under lease {}", self.holder, self.token) }
    }
}

/// The lease of a handle that writes.
#[derive(Debug, Clone)]
pub(super) struct Tenure {
    claim: Claim,
    token: i64,
}

impl Tenure {
    /// Decides who has the lease next: this claim, or whoever has it now.
    pub(super) fn begin(claim: &Claim, found: Option<&Lease>, now_ms: i64) -> Result<Self, VaultError> {
        let former = match found {
            Some(lease) if !lease.is_over(now_ms, claim.lasts_ms()) && lease.seat != claim.seat => {
                return Err(lease.held(now_ms));
            }
            Some(lease) => lease.token,
            None => 0,
        };
        Ok(Self { claim: claim.clone(), token: former + 1 })
    }

    /// What stands before the expiry, in the vault only while this is the holder.
    pub(super) fn front(&self) -> String {
        format!("{} ", self.token)
    }

    /// What stands behind the expiry.
    pub(super) fn back(&self) -> String {
        format!(" {} {}", self.claim.seat, self.claim.holder)
    }

    pub(super) fn lasts_ms(&self) -> i64 {
        self.claim.lasts_ms()
    }

    /// The row after it was given back.
    pub(super) fn released(&self) -> String {
        format!("{}{RELEASED}{}", self.front(), self.back())
    }

    /// Whether so little is left that it must be renewed before a step that
    /// cannot be undone. An error where somebody else has it.
    pub(super) fn is_short(&self, found: Option<&Lease>, now_ms: i64) -> Result<bool, VaultError> {
        match found {
            Some(lease) if lease.token == self.token => {
                Ok(lease.expires_ms - now_ms <= self.lasts_ms() / 2 || lease.is_over(now_ms, self.lasts_ms()))
            }
            found => Err(Self::lost(found)),
        }
    }

    pub(super) fn lost(found: Option<&Lease>) -> VaultError {
        match found {
            Some(lease) => lease.taken_over(),
            None => VaultError::TakenOver { reason: "its lease is gone".to_owned() },
        }
    }
}

/// Who opens a session with the vault: somebody new, or the holder once more.
#[derive(Debug)]
pub(super) enum Whose<'a> {
    New(&'a Claim),
    Again(&'a Tenure),
}

impl Whose<'_> {
    /// Whether it is worth waiting for an older session to end.
    pub(super) fn may_wait(&self, found: Option<&Lease>, now_ms: i64) -> Result<(), VaultError> {
        match self {
            Self::New(claim) => Tenure::begin(claim, found, now_ms).map(drop),
            Self::Again(tenure) => tenure.is_short(found, now_ms).map(drop),
        }
    }

    /// Whether whoever has it, and the session with it, may be put out.
    pub(super) fn may_follow(&self, found: Option<&Lease>, now_ms: i64) -> bool {
        let lasts_ms = match self {
            Self::New(claim) => claim.lasts_ms(),
            Self::Again(tenure) => tenure.lasts_ms(),
        };
        found.is_some_and(|lease| lease.is_abandoned(now_ms, lasts_ms))
    }
}

/// A lease that cannot be given back runs out by itself.
pub(super) fn given_back(result: Result<(), VaultError>) {
    if let Err(error) = result {
        tracing::warn!("the vault's lease could not be given back and runs out by itself: {error}");
    }
}

pub(super) fn reads_only() -> VaultError {
    VaultError::Engine { reason: "it was opened to be read".to_owned() }
}

/// What a statement answered: the row, if there is one, and the vault's time.
pub(super) fn found((text, now_ms): (Option<String>, i64)) -> Result<(Option<Lease>, i64), VaultError> {
    Ok((text.as_deref().map(Lease::read).transpose()?, now_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(seat: &str) -> Claim {
        Claim { holder: "host-1, process 7".to_owned(), seat: seat.to_owned(), lasts: Duration::from_secs(60) }
    }

    fn lease(token: i64, expires_ms: i64) -> Lease {
        Lease::read(&format!("{token} {expires_ms} seat-1 host-1, process 7")).unwrap()
    }

    #[test]
    fn only_a_lease_that_is_over_or_was_given_back_or_is_of_the_same_seat_is_taken_under_the_next_number() {
        let begin = |seat, lease: Option<&Lease>, now_ms| Tenure::begin(&claim(seat), lease, now_ms);
        assert_eq!(begin("seat-2", None, 5).unwrap().token, 1);
        assert_eq!(begin("seat-2", Some(&lease(4, RELEASED)), 5).unwrap().token, 5);
        assert_eq!(begin("seat-2", Some(&lease(4, 5)), 5).unwrap().token, 5);
        assert_eq!(begin("seat-1", Some(&lease(4, 9_000)), 5).unwrap().token, 5);
        let refused = begin("seat-2", Some(&lease(4, 9_000)), 5).unwrap_err();
        assert!(matches!(refused, VaultError::Locked { .. }), "{refused}");
        assert!(refused.to_string().contains("host-1, process 7 holds its lease for another 9 s"), "{refused}");
    }

    #[test]
    fn what_a_holder_writes_is_read_back_and_is_short_when_half_of_it_is_over() {
        let tenure = Tenure::begin(&claim("seat-1"), Some(&lease(8, RELEASED)), 0).unwrap();
        let written = Lease::read(&format!("{}{}{}", tenure.front(), 60_000, tenure.back())).unwrap();
        assert_eq!(written, lease(9, 60_000));
        assert!(!tenure.is_short(Some(&written), 29_999).unwrap());
        assert!(tenure.is_short(Some(&written), 30_000).unwrap());
        for other in [Some(&lease(10, 60_000)), None] {
            let lost = tenure.is_short(other, 0).unwrap_err();
            assert!(matches!(lost, VaultError::TakenOver { .. }), "{lost}");
        }
        assert_eq!(Lease::read(&tenure.released()).unwrap(), lease(9, RELEASED));
    }

    #[test]
    fn only_a_lease_that_was_never_given_back_is_abandoned() {
        let is_abandoned = |expires_ms| lease(1, expires_ms).is_abandoned(5, 60_000);
        assert!(is_abandoned(5) && !is_abandoned(6) && !is_abandoned(RELEASED));
    }

    #[test]
    fn a_lease_that_a_wrong_clock_wrote_locks_nobody_out() {
        let (now_ms, in_2038) = (1_795_708_800_000, 2_147_483_647_000);
        assert_eq!(Tenure::begin(&claim("seat-2"), Some(&lease(4, in_2038)), now_ms).unwrap().token, 5);
        assert!(lease(4, in_2038).is_abandoned(now_ms, 60_000));
        let tenure = Tenure::begin(&claim("seat-1"), Some(&lease(3, RELEASED)), in_2038).unwrap();
        assert!(tenure.is_short(Some(&lease(4, in_2038)), now_ms).unwrap(), "whoever still has it writes it anew");
        // Set back by no more than a lease lasts, it is waited for.
        let ahead = lease(4, now_ms + 120_000);
        assert!(Tenure::begin(&claim("seat-2"), Some(&ahead), now_ms).is_err());
    }

    #[test]
    fn a_row_that_is_no_lease_is_no_vault_of_ours() {
        for text in ["", "1", "1 2", "1 2 seat", "x 2 seat holder", "1 x seat holder"] {
            assert!(matches!(Lease::read(text), Err(VaultError::Foreign { .. })), "{text:?}");
        }
    }

    #[test]
    fn the_seat_of_a_copied_lock_file_is_another_one() {
        let folder = tempfile::tempdir().unwrap();
        let (one, copy) = (folder.path().join("lock"), folder.path().join("copy"));
        fs::write(&one, "").unwrap();
        fs::copy(&one, &copy).unwrap();
        let seat = |path| Claim::under(&fs::File::open(path).unwrap()).unwrap().seat;
        assert_eq!(seat(&one), seat(&one));
        assert_ne!(seat(&one), seat(&copy));
    }
}
