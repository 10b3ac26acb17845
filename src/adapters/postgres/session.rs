//! How a PostgreSQL session is opened and what is pinned in it, for sources and
//! for the vault.
//!
//! There is no pool, and transactions are begun and ended as text: a session
//! whose state is in doubt is closed, and the server undoes what was open in it.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Executor as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use crate::{
    adapters::engine::{Patience, Server},
    domain::deployment::Host,
};

/// How long a server may take to answer.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);

/// The oldest version that is tested.
pub(in crate::adapters) const VERSION_MIN: u32 = 150_000;

/// Everything on which the text of a value depends, and what keeps a session
/// from running or waiting for ever. `SET` outranks what a role, a database or
/// the environment says.
const PINNED: &str = "SET client_encoding = 'UTF8'; SET DateStyle = 'ISO, MDY'; SET IntervalStyle = 'iso_8601'; \
    SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET bytea_output = 'hex'; SET xmloption = 'content'; \
    SET standard_conforming_strings = on; SET array_nulls = on; SET lc_monetary = 'C'; \
    SET row_security = off; SET synchronous_commit = on; \
    SET jit = off; \
    SET idle_in_transaction_session_timeout = 0; SET client_min_messages = error";

/// Why there is no session.
#[derive(Debug)]
pub(in crate::adapters) enum NoSession {
    /// Nobody answers, or not with what was asked for.
    Unreachable(String),
    /// It answers and cannot be used.
    Unfit(String),
}

/// Opens a session.
pub(in crate::adapters) async fn open(
    server: &Server,
    purpose: &str,
    patience: Patience,
) -> Result<PgConnection, NoSession> {
    let unreachable = |reason: String| NoSession::Unreachable(format!("{reason}; {}", server.hint()));
    let opening = tokio::time::timeout(CONNECT_TIME_MAX, connect(server, purpose, patience));
    match opening.await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(Refusal::Version(number))) => Err(NoSession::Unfit(format!(
            "the server is PostgreSQL {}; version {} or later is needed",
            number / 10_000,
            VERSION_MIN / 10_000
        ))),
        Ok(Err(Refusal::KeysUnchecked)) => Err(NoSession::Unfit(
            "sessions of this role check no foreign keys; hint: set session_replication_role back to origin".to_owned(),
        )),
        Ok(Err(Refusal::Engine(error))) => Err(unreachable(super::failure::describe(&error))),
        Err(_) => Err(unreachable(format!("no answer within {} s", CONNECT_TIME_MAX.as_secs()))),
    }
}

enum Refusal {
    Engine(sqlx::Error),
    KeysUnchecked,
    Version(u32),
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        Self::Engine(error)
    }
}

async fn connect(server: &Server, purpose: &str, patience: Patience) -> Result<PgConnection, Refusal> {
    let mut session = options(server, purpose).connect().await?;
    let version = session.server_version_num().unwrap_or_default();
    if version < VERSION_MIN {
        return Err(Refusal::Version(version));
    }
    let lock = millis(patience.lock);
    let pinned = format!("{PINNED}; SET lock_timeout = {lock}; {}", statement_timeout(patience.statement));
    session.execute(AssertSqlSafe(pinned)).await?;
    // Only a superuser may set it, and under another value no key is checked.
    let keys_checked = sqlx::query_scalar("SELECT current_setting('session_replication_role') = 'origin'");
    if keys_checked.fetch_one(&mut session).await? { Ok(session) } else { Err(Refusal::KeysUnchecked) }
}

/// As the server counts time; 0 would wait for ever.
pub(in crate::adapters) fn millis(time: Duration) -> u128 {
    time.as_millis().clamp(1, i32::MAX as u128)
}

/// Sets how long a statement may take; zero: no limit.
pub(in crate::adapters) fn statement_timeout(time: Duration) -> String {
    let millis = if time.is_zero() { 0 } else { millis(time) };
    format!("SET statement_timeout = {millis}")
}

/// How a server is reached; the settings of the session are made by whoever opens it.
pub(in crate::adapters) fn options(server: &Server, purpose: &str) -> PgConnectOptions {
    let address = &server.address;
    let password = server.password.as_ref().map_or("", |password| password.reveal());
    let options = PgConnectOptions::new_without_pgpass()
        .username(&address.user)
        .password(password)
        .database(&address.database)
        .application_name(purpose)
        // TLS is worth having on the loopback too, and nothing is lost without it.
        .ssl_mode(if address.host.is_local() { PgSslMode::Prefer } else { PgSslMode::VerifyFull })
        .extra_float_digits(3)
        .disable_statement_logging();
    let options = match &address.host {
        Host::Tcp { name, port } => options.host(name).port(*port),
        Host::Socket { path, port } => options.socket(path).port(*port),
    };
    match &server.root_certificate {
        Some(path) => options.ssl_root_cert(path),
        None => options,
    }
}
