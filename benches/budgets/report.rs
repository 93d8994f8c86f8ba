//! What is printed.

use std::{
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

/// One line per figure.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(String, String, String, String)>,
}

impl Table {
    /// A figure with a budget; both in the same unit.
    pub fn judge(&mut self, what: &str, measured: f64, budget: f64, unit: &str, remark: String) {
        let places = if budget < 10.0 { 2 } else { 0 };
        let verdict = if measured <= budget { "" } else { ", **over**" };
        let space = if unit.is_empty() { "" } else { " " };
        self.push(
            what,
            format!("{measured:.places$}{space}{unit}{verdict}"),
            format!("{budget}{space}{unit}"),
            remark,
        );
    }

    /// A figure without one.
    pub fn tell(&mut self, what: &str, measured: String, remark: String) {
        self.push(what, measured, "-".to_owned(), remark);
    }

    fn push(&mut self, what: &str, measured: String, budget: String, remark: String) {
        progress(&format!("{what}: {measured} (budget {budget}) {remark}"));
        self.rows.push((what.to_owned(), measured, budget, remark));
    }

    pub fn print(&self) {
        println!("\n| what | measured | budget | remark |\n|---|---|---|---|");
        for (what, measured, budget, remark) in &self.rows {
            println!("| {what} | {measured} | {budget} | {remark} |");
        }
        println!("\nload average at the end: {}", load_average());
    }
}

/// A line for whoever waits.
pub fn progress(text: &str) {
    eprintln!("{text}");
}

pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn load_average() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}

/// What the figures depend on: the load of others, cores, and how long the disk takes to sync.
pub fn machine(directory: &Path) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("cores: {cores}; load average at the start: {}", load_average());
    let mut file = fs::File::create(directory.join("sync")).expect("a file");
    let mut took: Vec<f64> = (0..200)
        .map(|_| {
            let begun = Instant::now();
            file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).expect("a synced write");
            micros(begun.elapsed())
        })
        .collect();
    println!("write and sync of 4 KiB, median of 200: {:.0} us", median(&mut took));
}

pub fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
