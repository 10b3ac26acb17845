//! The examples for pipelines do what they say: their steps run as they are, in a
//! checkout with another branch, against a source that they cannot change.

use std::{fs, path::Path, process::Command};

use super::world::{DEPLOYMENT, RULES, World};

fn example(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ci").join(name)).unwrap()
}

/// The scripts of `run:`, those that call the program.
fn github_steps() -> Vec<String> {
    let text = example("github.yml");
    let mut steps = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(script) = line.trim_start().strip_prefix("run: ") else { continue };
        let depth = line.len() - line.trim_start().len();
        let mut script = script.trim_start_matches('|').to_owned();
        while let Some(more) = lines.next_if(|more| more.len() - more.trim_start().len() > depth) {
            script.push('\n');
            script.push_str(more.trim_start());
        }
        steps.push(script);
    }
    steps.retain(|script| script.contains("retentiond --config"));
    steps
}

/// The lines of `script:`.
fn gitlab_steps() -> Vec<String> {
    let text = example("gitlab.yml");
    let lines = text.lines().skip_while(|line| line.trim() != "script:").skip(1);
    let steps = lines.map_while(|line| line.trim_start().strip_prefix("- "));
    steps.map(str::to_owned).collect()
}

/// A branch that shortens a period, and the branch that it is to go into.
fn checkout() -> World {
    let world = World::with(DEPLOYMENT, RULES);
    fs::create_dir(world.path("config")).unwrap();
    let staging = DEPLOYMENT.replace("\"retention-rules.toml\"", "\"../retention-rules.toml\"");
    let staging = staging.replace("\"state\"", "\"../state\"").replace("sqlite://", "sqlite://../");
    world.write("config/staging.toml", &staging);
    let script = "git init -q -b main . && git add retention-rules.toml && git -c user.name=a -c user.email=a@b.example \
                  commit -qm old && mkdir bin && ln -s $program bin/retentiond \
                  && git remote add origin $PWD && git fetch -q origin";
    let mut git = Command::new("bash");
    git.args(["-euc", script]).env("program", env!("CARGO_BIN_EXE_retentiond")).current_dir(world.path("."));
    assert!(git.status().unwrap().success());
    world.write("retention-rules.toml", &RULES.replace("\"3 years\"", "\"2 years\""));
    // An anomaly, on which the examples ask to fail.
    world.sql("INSERT INTO visits VALUES (9001, 1, 'agent', 'yesterday');");
    world
}

/// Code of a step, and what it wrote to stderr.
fn step(world: &World, script: &str) -> (Option<i32>, String) {
    let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.args(["-eo", "pipefail", "-c", script]).env("PATH", path).current_dir(world.path("."));
    command.env("GITHUB_BASE_REF", "main").env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main");
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_steps_for_github_check_compare_and_plan_and_the_comment_has_what_fails() {
    let world = checkout();
    let steps = github_steps();
    assert_eq!(steps.len(), 3, "{steps:?}");
    let before = world.sql("SELECT count(*) FROM visits");
    for script in &steps[..2] {
        let (code, said) = step(&world, script);
        assert_eq!(code, Some(0), "{script}\n{said}");
    }
    assert!(fs::read_to_string(world.path("check.sarif")).unwrap().contains("\"2.1.0\""));
    let (code, said) = step(&world, &steps[2]);
    assert_eq!(code, Some(1), "{said}");
    let comment = fs::read_to_string(world.path("comment.md")).unwrap();
    for words in ["### Retention table", "visit-log", "| rule |"] {
        assert!(comment.contains(words), "{words} is not in\n{comment}");
    }
    assert_eq!(world.sql("SELECT count(*) FROM visits"), before);
}

#[test]
fn the_steps_for_gitlab_leave_their_reports() {
    let world = checkout();
    let steps = gitlab_steps();
    assert_eq!(steps.len(), 5, "{steps:?}");
    for script in &steps[..4] {
        let (code, said) = step(&world, script);
        assert_eq!(code, Some(0), "{script}\n{said}");
    }
    assert_eq!(step(&world, &steps[4]).0, Some(1));
    for file in ["check.xml", "plan.xml"] {
        assert!(fs::read_to_string(world.path(file)).unwrap().contains("<testsuite"), "{file}");
    }
    assert!(fs::read_to_string(world.path("diff.txt")).unwrap().contains("visit-log"));
}
