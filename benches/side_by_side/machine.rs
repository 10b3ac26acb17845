//! Where the figures come from: without it they say nothing.

use std::{fs, process::Command, thread};

use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Machine {
    pub date: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub processor: String,
    pub kernel: String,
    pub versions: Vec<String>,
}

impl Machine {
    pub fn read(commands: &[&[&str]]) -> Self {
        let line = |path: &str, label: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            let found = text.lines().find_map(|line| line.strip_prefix(label));
            found.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned()
        };
        let memory_kib: u64 =
            line("/proc/meminfo", "MemTotal").trim_end_matches(" kB").trim().parse().unwrap_or_default();
        Self {
            date: chrono::Utc::now().format("%Y-%m-%d").to_string(),
            cores: thread::available_parallelism().map_or(0, usize::from),
            memory_gib: (memory_kib + (1 << 19)) >> 20,
            processor: line("/proc/cpuinfo", "model name"),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            versions: commands.iter().filter_map(|command| version(command)).collect(),
        }
    }

    pub fn text(&self) -> String {
        format!(
            "{}, {} cores of {}, {} GiB, Linux {}\n{}",
            self.date,
            self.cores,
            self.processor,
            self.memory_gib,
            self.kernel,
            self.versions.join("\n")
        )
    }
}

fn version(command: &[&str]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(str::to_owned)
}
