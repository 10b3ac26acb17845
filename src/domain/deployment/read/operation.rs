//! How cycles run and what stops them: `[keys]`, `[ledger]`, `[schedule]`,
//! `[limits]` and `[guards]`.

use chrono::{DateTime, NaiveDate, TimeDelta};

use super::source::secret;
use crate::domain::{
    deployment::{Guards, Keys, Limits, Listen, Missed, NotAWindow, Schedule, Window},
    document::{Table, Value, optional, owned},
    period::TimeSpan,
    schedule,
};

const MISSED: [(&str, Option<Missed>); 2] = [("run-once", Some(Missed::RunOnce)), ("skip", Some(Missed::Skip))];

/// More rows than this in one transaction lock an application out.
const BATCH_ROWS_MAX: u32 = 1_000_000;

/// Numbers beyond these are slips of the pen.
const RATE_MAX: u32 = 1_000_000_000;
const FACTOR_MAX: u32 = 1_000_000;
const ROWS_MAX: u64 = 1_000_000_000_000;

const SCHEDULE_HINT: &str =
    "six fields: second, minute, hour, day, month, day of the week; every night at three is \"0 0 3 * * *\"";

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_rows: 5_000,
            rows_per_second: 0,
            replica_lag_max: TimeSpan(TimeDelta::seconds(5)),
            lock_timeout: TimeSpan(TimeDelta::seconds(2)),
            statement_timeout: TimeSpan(TimeDelta::minutes(15)),
        }
    }
}

impl Default for Guards {
    fn default() -> Self {
        Self {
            rows_max: 1_000_000,
            table_share_max_ppm: 200_000,
            median_factor: 10,
            clock_skew_max: TimeSpan(TimeDelta::seconds(30)),
            clock_jump_max: TimeSpan(TimeDelta::days(8)),
            not_before: NaiveDate::from_ymd_opt(2000, 1, 1).unwrap_or_default(),
        }
    }
}

pub fn keys(root: &mut Table<'_>) -> Option<Keys> {
    let Some(value) = root.take("keys") else { return Some(Keys { kek: None }) };
    let mut table = value.table()?;
    let anchor = optional(table.take("anchor"), (), |value| value.choice(&[("file", Some(()))]));
    let kek = optional(table.take("kek"), None, |value| secret(value).map(Some));
    table.finish();
    anchor?;
    Some(Keys { kek: kek? })
}

/// The origin names the ledger in every checkpoint, where a space, a plus or a
/// line end would mean something else (C2SP signed-note, key names).
pub fn ledger_origin(mut table: Table<'_>) -> Option<String> {
    let origin = table.need("origin", "origin = \"retention.example/shop\"").and_then(|value| {
        let origin = value.line()?;
        if origin.get_ref().contains(|letter: char| letter.is_whitespace() || letter == '+') {
            let hint = "write a name of your own without spaces and `+`, such as `retention.example/shop`";
            return value.refuse("the origin of a ledger holds no space and no `+`", hint);
        }
        Some(origin)
    });
    table.finish();
    origin.map(owned)
}

pub fn schedule(root: &mut Table<'_>) -> Option<Schedule> {
    let none = TimeSpan(TimeDelta::zero());
    let Some(value) = root.take("schedule") else {
        return Some(Schedule { cycle: None, missed: Missed::RunOnce, window: None, jitter: none });
    };
    let mut table = value.table()?;
    let cycle = optional(table.take("cycle"), None, |value| cycle(value).map(Some));
    let missed = optional(table.take("missed"), Missed::RunOnce, |value| value.choice(&MISSED));
    let window = optional(table.take("window"), None, |value| window(value).map(Some));
    let jitter = optional(table.take("jitter"), none, Value::time_span);
    table.finish();
    Some(Schedule { cycle: cycle?, missed: missed?, window: window?, jitter: jitter? })
}

fn cycle(value: &Value<'_>) -> Option<String> {
    let text = value.line()?;
    let written = *text.get_ref();
    if written.split_whitespace().count() != 6 {
        return value.refuse(format!("`{written}` is not a schedule of six fields"), SCHEDULE_HINT);
    }
    let Ok(cron) = schedule::parse(written) else {
        return value.refuse(format!("`{written}` is not a schedule"), SCHEDULE_HINT);
    };
    // Any day will do: a schedule without a next time has none from anywhere.
    if cron.find_next_occurrence(&DateTime::UNIX_EPOCH, false).is_err() {
        return value.refuse(format!("`{written}` never comes"), "no month has such a day");
    }
    Some(owned(text))
}

fn window(value: &Value<'_>) -> Option<Window> {
    let text = *value.line()?.get_ref();
    let hint = "write two times of the day: \"01:00-05:00\"";
    text.parse().map_or_else(|reason: NotAWindow| value.refuse(reason.to_string(), hint), Some)
}

/// Metrics tell what a company keeps of whom: they are for this host only.
pub fn metrics(root: &mut Table<'_>) -> Option<Option<Listen>> {
    let Some(value) = root.take("metrics") else { return Some(None) };
    let mut table = value.table()?;
    let listen = table.need("listen", "listen = \"127.0.0.1:9187\"").and_then(|value| {
        let text = *value.line()?.get_ref();
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Some(Listen::Socket(path.to_owned()));
        }
        let loopback = |host: &str| host == "[::1]" || host == "localhost" || is_loopback(host);
        match text.rsplit_once(':') {
            Some((host, port)) if loopback(host) && port.parse::<u16>().is_ok() => {
                Some(Listen::Loopback(text.to_owned()))
            }
            _ => {
                let hint =
                    "write an address of this host alone, \"127.0.0.1:9187\", or \"unix:/run/retentiond/metrics.sock\"";
                value.refuse(format!("`{text}` is not a loopback address with its port"), hint)
            }
        }
    });
    table.finish();
    Some(Some(listen?))
}

/// 127.0.0.0/8.
fn is_loopback(host: &str) -> bool {
    let parts: Vec<&str> = host.split('.').collect();
    parts.len() == 4 && parts[0] == "127" && parts.iter().all(|part| part.parse::<u8>().is_ok())
}

pub fn limits(root: &mut Table<'_>) -> Option<Limits> {
    let default = Limits::default();
    let Some(value) = root.take("limits") else { return Some(default) };
    let mut table = value.table()?;
    let batch_rows = optional(table.take("batch_rows"), default.batch_rows, |value| value.whole(1..=BATCH_ROWS_MAX));
    let rows_per_second =
        optional(table.take("rows_per_second"), default.rows_per_second, |value| value.whole(0..=RATE_MAX));
    let replica_lag_max = optional(table.take("replica_lag_max"), default.replica_lag_max, Value::time_span);
    let lock_timeout = optional(table.take("lock_timeout"), default.lock_timeout, Value::time_span);
    let statement_timeout = optional(table.take("statement_timeout"), default.statement_timeout, Value::time_span);
    table.finish();
    Some(Limits {
        batch_rows: batch_rows?,
        rows_per_second: rows_per_second?,
        replica_lag_max: replica_lag_max?,
        lock_timeout: lock_timeout?,
        statement_timeout: statement_timeout?,
    })
}

pub fn guards(root: &mut Table<'_>) -> Option<Guards> {
    let default = Guards::default();
    let Some(value) = root.take("guards") else { return Some(default) };
    let mut table = value.table()?;
    let rows_max = optional(table.take("rows_max"), default.rows_max, |value| value.whole(0..=ROWS_MAX));
    let table_share_max_ppm = optional(table.take("table_share_max"), default.table_share_max_ppm, Value::share_ppm);
    let median_factor =
        optional(table.take("median_factor"), default.median_factor, |value| value.whole(1..=FACTOR_MAX));
    let clock_skew_max = optional(table.take("clock_skew_max"), default.clock_skew_max, Value::time_span);
    let clock_jump_max = optional(table.take("clock_jump_max"), default.clock_jump_max, Value::time_span);
    let not_before = optional(table.take("not_before"), default.not_before, Value::date);
    table.finish();
    Some(Guards {
        rows_max: rows_max?,
        table_share_max_ppm: table_share_max_ppm?,
        median_factor: median_factor?,
        clock_skew_max: clock_skew_max?,
        clock_jump_max: clock_jump_max?,
        not_before: not_before?,
    })
}
