//! The database servers are killed and started again while a batch, a
//! destruction or a restoration is under way. The process is halted at the
//! point, so that the outage is exactly there, or not, so that it is anywhere.

use std::time::Duration;

use crate::{
    life::{Faults, Life},
    servers::{Engine, Server},
    store::Store,
    world::{
        Fault,
        Side::{self, Source, Vault},
        World,
    },
};

type Outage = (Side, &'static str);

const OF_SEPARATIONS: [Outage; 5] = [
    (Source, "source.take after"),
    (Vault, "vault.store before"),
    (Vault, "vault.store after"),
    (Source, "source.commit before"),
    (Source, "source.commit after"),
];
const OF_DESTRUCTIONS: [Outage; 3] =
    [(Vault, "vault.replace after"), (Vault, "vault.erase before"), (Vault, "vault.erase after")];
const OF_RESTORATIONS: [Outage; 3] =
    [(Source, "source.put_back before"), (Source, "source.put_back after"), (Vault, "vault.replace after")];
/// Somewhere in the work.
const LATER_MS: u64 = 90;

fn live(source: &Server, vault: &Server) {
    let mut life = Life::begin(World::new(|_| (Store::Server(source.database()), Store::Server(vault.database()))));
    let outage = |(side, point): &Outage| Fault::OutageAt(*side, (*point).to_owned());
    for (number, separation) in OF_SEPARATIONS.iter().enumerate() {
        let destruction = OF_DESTRUCTIONS.get(number).map(|at| ("destroy", outage(at)));
        let restoration = OF_RESTORATIONS.get(number).map(|at| ("restore", outage(at)));
        let faults = [Some(("separate", outage(separation))), destruction, restoration];
        life.round(&faults.into_iter().flatten().collect(), &mut None);
    }
    let anywhere = |side| Fault::OutageAfter(side, Duration::from_millis(LATER_MS));
    life.round(&Faults::from([("separate", anywhere(Source)), ("destroy", anywhere(Vault))]), &mut None);
    life.end();
}

#[test]
fn servers_killed_under_the_work_of_a_cycle_lose_nothing() {
    let (postgres, mariadb) = (Server::start(Engine::Postgres, &[]), Server::start(Engine::MariaDb, &[]));
    live(&postgres, &mariadb);
    live(&mariadb, &postgres);
}
