//! `--now`: an instant as a person types it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::{error::CommandError, exit::Exit};

/// RFC 3339, or a date or time in the policy's zone.
pub fn parse(text: &str, zone: Tz) -> Result<DateTime<Utc>, CommandError> {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Ok(instant.to_utc());
    }
    let naive = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .or_else(|| text.parse::<NaiveDate>().ok().and_then(|date| date.and_hms_opt(0, 0, 0)));
    naive.and_then(|naive| zone.from_local_datetime(&naive).earliest()).map(|instant| instant.to_utc()).ok_or_else(
        || {
            CommandError::new(
                Exit::Usage,
                format!("--now {text:?} is no instant; hint: 2026-11-22T03:00:00+09:00, or 2026-11-22 for midnight in {zone}"),
            )
        },
    )
}
