//! What helm-controller does before and after Helm is at work.

pub mod chart_version;
pub mod digest;
pub mod values_from;
