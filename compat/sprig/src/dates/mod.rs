//! Times, durations and Go's layouts (`2006-01-02 15:04:05`).
//!
//! ```
//! use sprig::dates::{Time, Zone};
//!
//! let time = Time::from_unix(1_583_298_366, 891_000_000, Zone::Utc);
//! assert_eq!(time.format("Mon Jan _2 15:04:05.000 MST 2006"), "Wed Mar  4 05:06:06.891 UTC 2020");
//! assert_eq!(Time::parse("2006-01-02", "2020-03-04", &Zone::Utc).unwrap().unix(), 1_583_280_000);
//! ```

mod calendar;
mod functions;
mod layout;
mod object;
mod parse;
mod zone;

pub use calendar::{Civil, Time};
pub(crate) use functions::register;
pub(crate) use object::toml_text;
pub use parse::TimeError;
pub use zone::Zone;
