//! `jeton doctor`.

mod audit;
mod output;
mod parts;
mod cluster;

use crate::args_doctor::Doctor;
use crate::process::Failure;
use std::process::ExitCode;

pub(crate) fn run(doctor: &Doctor) -> Result<ExitCode, Failure> {
    match doctor {
        Doctor::Audit(args) => audit::run(args),
        Doctor::Demo(args) => audit::demo(args),
        Doctor::Cluster(args) => cluster::run(args),
        Doctor::Collect(args) => cluster::collect(args),
        Doctor::Rbac(args) => cluster::rbac(args),
    }
}
