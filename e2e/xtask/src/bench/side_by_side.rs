//! The same work by the stock program and by ours, process against process.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::measure::{Cost, cost};

const MIB: f64 = (1 << 20) as f64;

/// What both programs took for one piece of work: the fastest of several runs, taken in turns.
struct Pair {
    name: String,
    stock: Cost,
    ours: Cost,
}

impl Pair {
    fn speedup(&self) -> f64 {
        self.stock.time.as_secs_f64() / self.ours.time.as_secs_f64()
    }

    fn memory_share(&self) -> f64 {
        self.ours.memory as f64 / self.stock.memory as f64
    }
}

/// Measurements of both programs on many pieces of work.
#[derive(Default)]
pub(super) struct SideBySide {
    pairs: Vec<Pair>,
}

impl SideBySide {
    /// Measures one piece of work; false if the stock program fails at it, which then does not count.
    ///
    /// Each program runs `runs` times, in turns, so that both meet the same machine.
    pub(super) fn measure(
        &mut self,
        name: String,
        runs: usize,
        stock: impl Fn() -> Command,
        ours: impl Fn() -> Command,
    ) -> Result<bool> {
        let mut best: Option<(Cost, Cost)> = None;
        for _ in 0..runs.max(1) {
            let (Some(stock), Some(ours)) = (cost(&stock())?, cost(&ours())?) else {
                return Ok(false);
            };
            best = Some(best.map_or((stock, ours), |(s, o)| (least(s, stock), least(o, ours))));
        }
        if let Some((stock, ours)) = best {
            self.pairs.push(Pair { name, stock, ours });
        }
        Ok(true)
    }

    /// The figures as Markdown: totals, medians, and the extremes by name.
    pub(super) fn report(&mut self) -> String {
        let time = |of: fn(&Pair) -> Cost| self.pairs.iter().map(|pair| of(pair).time).sum::<Duration>();
        let (stock, ours) = (time(|pair| pair.stock), time(|pair| pair.ours));
        let slower = self.pairs.iter().filter(|pair| pair.speedup() < 1.0).count();
        let heavier = self
            .pairs
            .iter()
            .filter(|pair| pair.memory_share() > 0.25)
            .count();
        let mut text = String::from("| | stock | ours | |\n|---|---|---|---|\n");
        let mut row = |what: &str, stock: String, ours: String, ratio: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "| {what} | {stock} | {ours} | {ratio} |");
        };
        row(
            &format!("total time of {}", self.pairs.len()),
            format!("{:.2} s", stock.as_secs_f64()),
            format!("{:.2} s", ours.as_secs_f64()),
            format!("{:.1}x", stock.as_secs_f64() / ours.as_secs_f64()),
        );
        let median = |of: fn(&Pair) -> f64| {
            let mut all: Vec<f64> = self.pairs.iter().map(of).collect();
            all.sort_by(f64::total_cmp);
            all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
        };
        row(
            "median time",
            format!("{:.1} ms", median(|pair| pair.stock.time.as_secs_f64() * 1e3)),
            format!("{:.1} ms", median(|pair| pair.ours.time.as_secs_f64() * 1e3)),
            format!("{:.1}x", median(Pair::speedup)),
        );
        row(
            "median of the peak memory",
            format!("{:.1} MiB", median(|pair| pair.stock.memory as f64 / MIB)),
            format!("{:.1} MiB", median(|pair| pair.ours.memory as f64 / MIB)),
            format!("1/{:.1}", 1.0 / median(Pair::memory_share)),
        );
        let _ = writeln!(
            text,
            "\nOurs is slower in {slower} and needs more than a quarter of the memory in {heavier}.\n"
        );
        let _ = writeln!(
            text,
            "| least gain | stock | ours | | memory |\n|---|---|---|---|---|"
        );
        self.pairs.sort_by(|a, b| a.speedup().total_cmp(&b.speedup()));
        self.rows(10, &mut text);
        let _ = writeln!(
            text,
            "\n| most memory | stock | ours | | memory |\n|---|---|---|---|---|"
        );
        self.pairs
            .sort_by(|a, b| b.memory_share().total_cmp(&a.memory_share()));
        self.rows(5, &mut text);
        text
    }

    fn rows(&self, count: usize, text: &mut String) {
        for pair in self.pairs.iter().take(count) {
            let _ = writeln!(
                text,
                "| {} | {:.1} ms | {:.1} ms | {:.1}x | 1/{:.1} |",
                pair.name,
                pair.stock.time.as_secs_f64() * 1e3,
                pair.ours.time.as_secs_f64() * 1e3,
                pair.speedup(),
                1.0 / pair.memory_share(),
            );
        }
    }
}

fn least(a: Cost, b: Cost) -> Cost {
    Cost {
        time: a.time.min(b.time),
        memory: a.memory.min(b.memory),
    }
}
