//! Killed at moments that nobody chose.

use std::time::Duration;

use crate::{
    life::{Faults, Life, STEPS},
    servers::{mariadb, postgres},
    store::Store,
    world::{Fault, World},
};

const ROUNDS_OF_A_LIFE: u32 = 10;

/// A generator that is the same on every machine.
struct Moments(u64);

impl Moments {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        limit.mul_f64((self.0 >> 40) as f64 / f64::from(1 << 24))
    }
}

/// Kills every step of every round at a moment within the time that the step
/// took, observed here, while nothing happened to it.
fn live<'s>(make: impl Fn() -> World<'s>, rounds: u32, seed: u64) {
    println!("seed {seed}");
    let mut moments = Moments(seed);
    let mut killed = 0;
    let mut life = Life::begin(make());
    life.round(&Faults::new(), &mut None);
    let lengths = life.lengths.clone();
    for round in 0..rounds {
        if round > 0 && round % ROUNDS_OF_A_LIFE == 0 {
            killed += life.killed;
            std::mem::replace(&mut life, Life::begin(make())).end();
        }
        let faults: Faults = STEPS.into_iter().map(|step| (step, Fault::After(moments.below(lengths[step])))).collect();
        life.round(&faults, &mut None);
    }
    killed += life.killed;
    life.end();
    let instants = rounds * STEPS.len() as u32;
    println!("still at work at {killed} of {instants} instants");
    assert!(killed * 3 >= instants, "only {killed} of {instants} were still at work when they were killed");
}

#[test]
fn killed_at_random_instants_a_life_on_files_comes_to_the_same_end() {
    live(World::in_files, 34, 20_261_122);
}

#[test]
fn killed_at_random_instants_a_life_on_servers_comes_to_the_same_end() {
    let there = || World::new(|_| (Store::Server(postgres().database()), Store::Server(mariadb().database())));
    let back = || World::new(|_| (Store::Server(mariadb().database()), Store::Server(postgres().database())));
    live(there, 4, 7);
    live(back, 4, 8);
}
