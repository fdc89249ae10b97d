//! Speed and size, measured against something that was measured in the same run on the same machine. Only ratios can be
//! compared between machines, so every rate stands beside the rate of the plainest program that could do the job.
//!
//! The load generator runs beside the server on the same cores, and so it does for what the server is compared with.

pub mod report;
pub mod quiet;
pub mod load;
pub mod bare;
pub mod material;
pub mod issue;
pub mod review;
pub mod scale;
pub mod delete;
pub mod agent;
mod audit_log;
pub mod doctor;

use report::Line;
use std::error::Error;

/// A part of the benchmark: its name and what runs it.
pub type Part = (&'static str, fn() -> Result<Vec<Line>, Box<dyn Error>>);

/// All parts.
pub const PARTS: [Part; 6] = [
    ("issue", issue::run),
    ("review", review::run),
    ("scale", scale::run),
    ("delete", delete::run),
    ("agent", agent::run),
    ("doctor", doctor::run),
];
