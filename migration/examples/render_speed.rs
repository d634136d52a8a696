//! How long a chart takes to load, and to render once it is loaded: `render_speed CHART...`.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use helm::{Limits, Release, RenderOptions, Renderer, values};
use openflux::{SystemEnvironment, load_chart};

/// How often each is done; the median counts.
const RUNS: usize = 21;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let renderer = Renderer::new(Arc::new(SystemEnvironment));
    let release = Release {
        name: "my-release".into(),
        namespace: "my-namespace".into(),
        revision: 1,
        is_upgrade: false,
    };
    let options = RenderOptions::new(release);
    let values = values::read(b"")?;
    for path in std::env::args().skip(1) {
        let load = median(|| load_chart(Path::new(&path), true, &Limits::default()).map(drop))?;
        let (chart, _) = load_chart(Path::new(&path), true, &Limits::default())?;
        let fresh = Instant::now();
        renderer.render(&chart, &values, &options)?;
        let fresh = fresh.elapsed();
        let again = median(|| renderer.render(&chart, &values, &options).map(drop))?;
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        writeln!(
            io::stdout(),
            "{}: load {:.2} ms, first render with its parsing {:.2} ms, further renders {:.2} ms",
            chart.name(),
            ms(load),
            ms(fresh),
            ms(again)
        )?;
    }
    Ok(())
}

fn median<E>(mut work: impl FnMut() -> Result<(), E>) -> Result<Duration, E> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times.get(RUNS / 2).copied().unwrap_or_default())
}
