//! CronJobs: stored, not run; owners of jobs.

use super::workload;
use crate::objects::kind::{Kind, text};
use crate::objects::table::{AGE, Cell, NAME, age, column, count, number, or_none};
use jeton_core::time::UnixTime;
use serde_json::{Value, json};

/// batch/v1 CronJob.
pub const CRON_JOB: Kind = Kind {
    group: "batch",
    kind: "CronJob",
    plural: "cronjobs",
    singular: "cronjob",
    short_names: &["cj"],
    stored_as: "batch/cronjobs",
    columns: &[
        NAME,
        column("Schedule", Cell::At("/spec/schedule")),
        column("Timezone", Cell::Of(|o, _| or_none(text(o, "/spec/timeZone")))),
        column("Suspend", Cell::Of(|o, _| json!(suspended(o)))),
        number("Active", Cell::Of(|o, _| json!(count(o, "/status/active")))),
        column("Last Schedule", Cell::Of(last)),
        AGE,
    ],
    ..workload::APPS
};

fn suspended(job: &Value) -> &'static str {
    let on = job.pointer("/spec/suspend").and_then(Value::as_bool).unwrap_or(false);
    if on { "True" } else { "False" }
}

fn last(job: &Value, now: UnixTime) -> Value {
    let pointer = "/status/lastScheduleTime";
    if text(job, pointer).is_empty() { or_none("") } else { json!(age(job, pointer, now)) }
}
