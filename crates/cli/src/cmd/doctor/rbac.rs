//! `jeton doctor rbac`.

use crate::args_doctor::Rbac;
use crate::process::{Failure, write_out};
use std::process::ExitCode;

/// Without Secrets.
const BASE: &str = include_str!("../../../../doctor/knowledge/rbac-base.yaml");
/// With them.
const SECRETS: &str = include_str!("../../../../doctor/knowledge/rbac-secrets.yaml");

pub(crate) fn run(args: &Rbac) -> Result<ExitCode, Failure> {
    write_out(BASE)?;
    if args.secrets {
        write_out(SECRETS)?;
    }
    Ok(ExitCode::SUCCESS)
}
