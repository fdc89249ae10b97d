//! `jeton doctor`.

mod audit;
mod output;
mod rbac;

use crate::args_doctor::Doctor;
use crate::process::Failure;
use std::process::ExitCode;

pub(crate) fn run(doctor: &Doctor) -> Result<ExitCode, Failure> {
    match doctor {
        Doctor::Audit(args) => audit::run(args),
        Doctor::Demo(args) => audit::demo(args),
        Doctor::Rbac(args) => rbac::run(args),
    }
}
