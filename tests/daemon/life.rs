//! From READY to the end: cycles, pause, reload, metrics.

use super::{
    daemon::{
        CYCLE_FINISHED, Daemon, EVERY_SECOND, RELOAD_REFUSED, RELOADED, deployment, eventually, of_ledger, world,
    },
    world::RULES,
};

const RULE_IDS: [&str; 4] = ["member", "contract", "payment", "visit-log"];

#[test]
fn a_daemon_runs_cycles_pauses_reloads_and_its_metrics_are_what_the_ledger_says() {
    let world = world(EVERY_SECOND);
    let before: Vec<u64> = RULE_IDS.iter().map(|rule| of_ledger(&world, rule).1).collect();
    let mut daemon = Daemon::start(&world);
    daemon.logs(CYCLE_FINISHED, 2);

    daemon.signal("USR1");
    let paused = daemon.waits_for_phase("paused");
    assert!(paused["daemon"]["waiting"].as_str().unwrap().starts_with("paused by "), "{paused}");
    assert!(paused["paused"].is_string());
    let finished = daemon.count(CYCLE_FINISHED);
    let mut destroyed_now = 0;
    for (rule, before) in RULE_IDS.iter().zip(before) {
        let (separated, destroyed) = of_ledger(&world, rule);
        let metric = |name: &str| daemon.metric(&format!("retentiond_{name}{{rule=\"{rule}\"}}"));
        assert_eq!(metric("separated_rows_total"), separated as f64, "{rule}");
        assert_eq!(metric("destroyed_rows_total"), destroyed as f64, "{rule}");
        assert!(separated > 0, "{rule} moved nothing: the comparison proves nothing");
        destroyed_now += destroyed - before;
        let state = |state: &str| daemon.metric(&format!("retentiond_rule_state{{rule=\"{rule}\",state=\"{state}\"}}"));
        assert_eq!((state("green"), state("paused")), (0.0, 1.0), "a paused rule is never green");
    }
    assert!(destroyed_now > 0, "the daemon destroyed what was due");
    let verified = world.run(&["ledger", "verify", "--format", "json"]).ends_with(0).json();
    assert_eq!(daemon.metric("retentiond_ledger_entries"), verified["entries"].as_f64().unwrap());
    let (code, body) = daemon.get("/readyz");
    assert_eq!((code, body.starts_with("paused by ")), (503, true), "{body}");
    assert_eq!(daemon.get("/healthz"), (200, "ok\n".to_owned()));

    daemon.signal("USR2");
    eventually("a cycle after the pause", || (daemon.count(CYCLE_FINISHED) > finished).then_some(()));
    eventually("ready again", || (daemon.get("/readyz").0 == 200).then_some(()));
    let state = |state: &str| daemon.metric(&format!("retentiond_rule_state{{rule=\"payment\",state=\"{state}\"}}"));
    assert_eq!((state("green"), state("paused")), (1.0, 0.0));

    daemon.hears("WATCHDOG=1");
    let (_, body) = daemon.get("/metrics");
    for file in ["config/monitoring/alerts.yml", "config/monitoring/grafana.json"] {
        asks_for_what_there_is(file, &body);
    }
    reloads(&mut daemon, &world);

    daemon.signal("TERM");
    daemon.hears("STOPPING=1");
    assert_eq!(daemon.ends().code(), Some(0));
    assert!(!world.path("metrics.sock").exists(), "the socket goes with the daemon");
    assert!(world.run(&["status", "--format", "json"]).ends_with(0).json()["daemon"].is_null());
}

/// Dashboards and alerts are about metrics that the daemon serves.
fn asks_for_what_there_is(file: &str, served: &str) {
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let names = text.match_indices("retentiond_").map(|(at, _)| {
        let rest = &text[at..];
        &rest[..rest.find(|letter: char| letter != '_' && !letter.is_ascii_lowercase()).unwrap_or(rest.len())]
    });
    let mut seen = 0;
    for name in names {
        // Known by its type: between two cycles of a second some have no sample.
        let base = name.trim_end_matches("_total").trim_end_matches("_bucket");
        let of_an_instant = name == "retentiond_next_cycle_timestamp_seconds";
        assert!(of_an_instant || served.contains(&format!("# TYPE {base} ")), "{file} asks for {name}:\n{served}");
        seen += 1;
    }
    assert!(seen >= 10, "{file} asks for {seen} metrics");
}

/// A bad file changes nothing and says so, a good one is taken.
fn reloads(daemon: &mut Daemon<'_>, world: &super::world::World) {
    world.write("retentiond.toml", "policy = 5\n");
    daemon.signal("HUP");
    let told = daemon.hears("RELOADING=1");
    assert!(told.lines().any(|line| line.starts_with("MONOTONIC_USEC=")), "in the same message: {told:?}");
    daemon.hears("READY=1");
    assert_eq!(daemon.count(RELOAD_REFUSED), 1);
    // The files are broken: a command cannot even read them, and the daemon goes on.
    daemon.logs(CYCLE_FINISHED, 1);
    assert_eq!(daemon.metric("retentiond_reload_refused"), 1.0);

    // A policy that nobody adopted is not taken either.
    world.write("retentiond.toml", &deployment(EVERY_SECOND));
    world.write("retention-rules.toml", &RULES.replace("\"5 days\"", "\"6 days\""));
    daemon.signal("HUP");
    daemon.hears("RELOADING=1");
    daemon.hears("READY=1");
    assert_eq!(daemon.count(RELOAD_REFUSED), 2);
    daemon.logs(CYCLE_FINISHED, 1);

    world.write("retention-rules.toml", RULES);
    world.write("retentiond.toml", &deployment("cycle = \"*/2 * * * * *\""));
    daemon.signal("HUP");
    daemon.hears("RELOADING=1");
    daemon.hears("READY=1");
    assert_eq!(daemon.count(RELOADED), 1);
    assert!(daemon.status()["daemon"]["reload_refused"].is_null());
    daemon.logs(CYCLE_FINISHED, 1);
}
