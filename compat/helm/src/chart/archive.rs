//! Chart archives: gzipped tar files with one top folder.

use std::io::{self, Read};

use flate2::read::MultiGzDecoder;
use jiff::Timestamp;

use crate::{File, Limits, Time};
use go_std::path;

/// An archive that cannot be read, or that Helm refuses.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes do not start with a gzip header.
    #[error("gzip: invalid header")]
    NotGzip,
    /// The archive is damaged.
    #[error("{0}")]
    Damaged(#[source] io::Error),
    /// A file has an absolute path.
    #[error("chart illegally contains absolute paths")]
    AbsolutePath,
    /// A file lies outside the archive's top folder.
    #[error("chart illegally contains content outside the base directory: {0}")]
    OutsideBase(String),
    /// A file's path leads out of the chart.
    #[error("chart illegally references parent directory")]
    ParentFolder,
    /// A file's path starts with a drive letter.
    #[error("chart contains illegally named files")]
    DriveLetter,
    /// `Chart.yaml` is not inside a top folder.
    #[error("chart yaml not in base directory")]
    NoBaseFolder,
    /// The unpacked chart exceeds [`Limits::chart_bytes`].
    #[error("decompressed chart is larger than the maximum size {0}")]
    ChartTooLarge(u64),
    /// An unpacked file exceeds [`Limits::file_bytes`].
    #[error("decompressed chart file {name} is larger than the maximum file size {limit}")]
    FileTooLarge {
        /// The file's name in the archive, quoted.
        name: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The archive holds more than [`Limits::files`].
    #[error("chart archive holds more than {0} files")]
    TooManyFiles(usize),
    /// The archive holds no file at all.
    #[error("no files in chart archive")]
    Empty,
}

/// The length of the header of a gzip stream, without what may follow it.
const GZIP_HEADER: usize = 10;

/// Reports whether the bytes start like a gzip stream.
pub fn is_gzip(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1F, 0x8B, 0x08])
}

/// Reads the files of a chart archive; the first element of each path is dropped.
///
/// Links become empty files, as in Helm: nothing outside the archive is ever read. Tar headers count against the
/// limits too, so that an archive of headers only cannot go on for ever.
pub(crate) fn read(archive: &[u8], limits: &Limits) -> Result<Vec<File>, ArchiveError> {
    // Go looks for a whole header first.
    if archive.len() < GZIP_HEADER {
        let text = if archive.is_empty() {
            "EOF"
        } else {
            "unexpected EOF"
        };
        return Err(ArchiveError::Damaged(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            text,
        )));
    }
    if !is_gzip(archive) {
        return Err(ArchiveError::NotGzip);
    }
    let too_large = || ArchiveError::ChartTooLarge(limits.chart_bytes);
    // A 512 byte header and up to 511 bytes of padding per file, and as much again for long names.
    let overhead = (limits.files as u64).saturating_mul(2048).saturating_add(1 << 20);
    let stream_limit = limits.chart_bytes.saturating_add(overhead);
    let mut tar = tar::Archive::new(MultiGzDecoder::new(archive).take(stream_limit));
    let mut remaining = limits.chart_bytes;
    let mut files = Vec::new();
    for entry in tar.entries().map_err(ArchiveError::Damaged)? {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        let raw_name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir()
            || raw_name.ends_with('/')
            || kind.is_pax_global_extensions()
            || kind.is_pax_local_extensions()
        {
            continue;
        }
        let name = path_in_chart(&raw_name)?;
        let size = if kind.is_file() || kind.is_contiguous() {
            entry.size()
        } else {
            0
        };
        if size > remaining {
            return Err(too_large());
        }
        if size > limits.file_bytes {
            return Err(ArchiveError::FileTooLarge {
                name: quoted(&raw_name),
                limit: limits.file_bytes,
            });
        }
        let mut data = Vec::with_capacity(usize::try_from(size.min(1 << 20)).unwrap_or(0));
        if size > 0 {
            entry.read_to_end(&mut data).map_err(ArchiveError::Damaged)?;
        }
        remaining = remaining.saturating_sub(data.len() as u64);
        if (data.len() as u64) < size || remaining == 0 {
            return Err(too_large());
        }
        if files.len() == limits.files {
            return Err(ArchiveError::TooManyFiles(limits.files));
        }
        files.push(File::new(name, data).with_modified(modified(&mut entry)));
    }
    if files.is_empty() {
        Err(ArchiveError::Empty)
    } else {
        Ok(files)
    }
}

/// When a file was last changed; the extended header tells it with a fraction of a second.
fn modified(entry: &mut tar::Entry<'_, impl Read>) -> Time {
    let extended = entry.pax_extensions().ok().flatten().and_then(|mut extensions| {
        extensions.find_map(|extension| {
            let extension = extension.ok()?;
            (extension.key() == Ok("mtime")).then(|| seconds(extension.value().ok()?))?
        })
    });
    let at = extended.or_else(|| {
        let seconds = i64::try_from(entry.header().mtime().ok()?).ok()?;
        Timestamp::from_second(seconds).ok()
    });
    at.map(Time::from).unwrap_or_default()
}

/// Reads seconds with a fraction, of which nine digits count.
fn seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let nanos: i32 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let nanos = if whole.starts_with('-') { -nanos } else { nanos };
    Timestamp::new(whole.parse().ok()?, nanos).ok()
}

/// Turns the name of a tar entry into a path below the chart's root, refusing what leads out of it.
fn path_in_chart(raw: &str) -> Result<String, ArchiveError> {
    let delimiter = if raw.contains('\\') { '\\' } else { '/' };
    let (top, below) = raw.split_once(delimiter).unwrap_or((raw, ""));
    let below = below.replace(delimiter, "/");
    if below.starts_with('/') {
        return Err(ArchiveError::AbsolutePath);
    }
    let name = path::clean(&below);
    if name == "." {
        return Err(ArchiveError::OutsideBase(quoted(raw)));
    }
    if name.starts_with("..") {
        return Err(ArchiveError::ParentFolder);
    }
    let mut letters = name.bytes();
    if letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.next() == Some(b':')
        && letters.next() == Some(b'/')
    {
        return Err(ArchiveError::DriveLetter);
    }
    if top == "Chart.yaml" {
        return Err(ArchiveError::NoBaseFolder);
    }
    Ok(name)
}

fn quoted(name: &str) -> String {
    format!("{name:?}")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, data) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(data.len() as u64);
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            builder.append(&header, *data).unwrap();
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&builder.into_inner().unwrap()).unwrap();
        gzip.finish().unwrap()
    }

    fn error(files: &[(&str, &[u8])], limits: &Limits) -> String {
        read(&archive(files), limits).unwrap_err().to_string()
    }

    #[test]
    fn the_top_folder_and_the_byte_order_mark_are_dropped() {
        let files = read(
            &archive(&[("a/b/c.txt", b"\xEF\xBB\xBFhi"), ("a\\d\\e", b"")]),
            &Limits::default(),
        )
        .unwrap();
        let files = files
            .iter()
            .map(|file| (file.name.as_str(), &**file.content.bytes().unwrap()));
        assert!(files.eq([("b/c.txt", &b"hi"[..]), ("d/e", b"")]));
    }

    #[test]
    fn paths_that_leave_the_chart_are_refused() {
        let limits = Limits::default();
        assert_eq!(
            error(&[("a//etc/passwd", b"")], &limits),
            "chart illegally contains absolute paths"
        );
        assert_eq!(
            error(&[("a/../../b", b"")], &limits),
            "chart illegally references parent directory"
        );
        assert_eq!(
            error(&[("a/c:/b", b"")], &limits),
            "chart contains illegally named files"
        );
        assert_eq!(
            error(&[("b", b"")], &limits),
            "chart illegally contains content outside the base directory: \"b\""
        );
    }

    #[test]
    fn size_is_bounded() {
        let limits = Limits {
            chart_bytes: 10,
            file_bytes: 6,
            files: 2,
            ..Limits::default()
        };
        let seven = "decompressed chart file \"a/b\" is larger than the maximum file size 6";
        assert_eq!(error(&[("a/b", b"1234567")], &limits), seven);
        let all = "decompressed chart is larger than the maximum size 10";
        assert_eq!(error(&[("a/b", b"123456"), ("a/c", b"12345")], &limits), all);
        let many = "chart archive holds more than 2 files";
        assert_eq!(
            error(&[("a/b", b"1"), ("a/c", b"1"), ("a/d", b"1")], &limits),
            many
        );
        assert_eq!(error(&[], &limits), "no files in chart archive");
        for (bytes, error) in [
            (&b""[..], "EOF"),
            (b"garbage", "unexpected EOF"),
            (b"\x1F\x8B\x08", "unexpected EOF"),
            (b"0123456789", "gzip: invalid header"),
        ] {
            assert_eq!(read(bytes, &limits).unwrap_err().to_string(), error);
        }
    }
}
