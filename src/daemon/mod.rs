//! The daemon: cycles on the schedule, until it is told to stop.
//!
//! It holds its own lock all the time, and the runner's lock only while a cycle
//! is at work, so that `restore`, `hold` and `run --plan` work beside it. A state that
//! nobody knows ends it with 70: the service manager starts it again, and what a
//! start checks and a cycle recovers is the same as ever.

mod attend;
mod coordinator;
mod cycle;
mod http;
mod message;
mod pause;
mod reload;
mod signals;
mod state;
mod survey;
mod systemd;
mod trigger;

use chrono::Utc;

use crate::{
    adapters::clock::{AnyClock, ShiftedClock},
    cli::{args::Cli, error::CommandError, exit::Exit, open},
    settings::Settings,
};
use coordinator::Coordinator;

pub use attend::{Attendant, stop_on_signal};
pub use pause::paused;
pub use state::{Owed, Published, is_running, memory, published};

/// Checks everything, says READY, and runs until the end.
pub async fn serve(cli: &Cli) -> Result<Exit, CommandError> {
    let settings = reload::read(&cli.config)?;
    let clock = clock(cli, &settings).await?;
    let _lock = state::lock(&settings)?;
    // Policy, keystore, ledger and vault belong together, or nothing starts.
    open::writing_at(&settings, clock).await?.close().await?;
    Coordinator::new(cli.config.clone(), settings, clock).await?.run().await
}

/// In a simulation the daemon's time begins at `--now` and goes on from there.
async fn clock(cli: &Cli, settings: &Settings) -> Result<AnyClock, CommandError> {
    let reading = open::reading(settings).await?;
    let (initialised, simulation) = (reading.ledger.is_some(), reading.simulation());
    reading.close().await?;
    if !initialised {
        let message = "there is no vault yet; hint: `retentiond init` creates vault, keystore and ledger";
        return Err(CommandError::new(Exit::Configuration, message));
    }
    Ok(match open::writing_clock(cli, settings, simulation)? {
        AnyClock::Fixed(begin) => AnyClock::Shifted(ShiftedClock(begin.0 - Utc::now())),
        clock => clock,
    })
}
