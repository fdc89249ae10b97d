//! Jobs: stored, not run; owners of pods.

use super::workload;
use crate::objects::kind::{Kind, text};
use crate::objects::table::{AGE, Cell, NAME, column, human, whole};
use jeton_core::time::UnixTime;
use serde_json::{Value, json};

/// batch/v1 Job.
pub const JOB: Kind = Kind {
    group: "batch",
    kind: "Job",
    plural: "jobs",
    singular: "job",
    stored_as: "batch/jobs",
    prepare: |object, _| workload::prepare_template(object),
    columns: &[
        NAME,
        column("Status", Cell::Of(|o, _| status(o))),
        column("Completions", Cell::Of(|o, _| completions(o))),
        column("Duration", Cell::Of(duration)),
        AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        workload::SELECTOR,
    ],
    ..workload::APPS
};

fn status(job: &Value) -> Value {
    let conditions = job.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let mut true_ones = conditions.filter(|c| c["status"] == "True").map(|c| text(c, "/type"));
    let found = true_ones.find(|ty| matches!(*ty, "Complete" | "Failed" | "Suspended"));
    json!(found.unwrap_or("Running"))
}

fn completions(job: &Value) -> Value {
    let wanted = job.pointer("/spec/completions").and_then(Value::as_i64).unwrap_or(1);
    json!(format!("{}/{wanted}", whole(job, "/status/succeeded")))
}

fn duration(job: &Value, now: UnixTime) -> Value {
    let time = |pointer| UnixTime::parse_rfc3339(text(job, pointer)).map(UnixTime::seconds);
    let Some(start) = time("/status/startTime") else { return json!("") };
    json!(human(time("/status/completionTime").unwrap_or(now.seconds()) - start))
}
