//! ReplicaSets: stored, not run; owners of pods.

use super::workload;
use crate::objects::kind::Kind;
use crate::objects::table::{AGE, Cell, NAME, number, whole};
use serde_json::{Value, json};

/// apps/v1 ReplicaSet.
pub const REPLICA_SET: Kind = Kind {
    kind: "ReplicaSet",
    plural: "replicasets",
    singular: "replicaset",
    short_names: &["rs"],
    stored_as: "apps/replicasets",
    prepare: |object, _| workload::prepare(object, Value::Null, ""),
    check: workload::check,
    columns: &[
        NAME,
        number("Desired", Cell::Of(|o, _| json!(whole(o, "/spec/replicas")))),
        number("Current", Cell::Of(|o, _| json!(whole(o, "/status/replicas")))),
        number("Ready", Cell::Of(|o, _| json!(whole(o, "/status/readyReplicas")))),
        AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        workload::SELECTOR,
    ],
    ..workload::APPS
};
