//! Any bytes, as an archive and as the tar inside one, load as a chart within the limits or are an error.
#![no_main]

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use helm::{Chart, Limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits::default();
    let _ = Chart::from_archive(bytes, &limits);
    // Chance makes no checksum that gzip accepts.
    let mut gzip = GzEncoder::new(Vec::new(), Compression::none());
    if gzip.write_all(bytes).is_ok()
        && let Ok(archive) = gzip.finish()
    {
        let _ = Chart::from_archive(&archive, &limits);
    }
});
