//! StatefulSets: stored, not run; owners of pods.

use super::workload;
use crate::objects::kind::Kind;
use crate::objects::table::{AGE, Cell, NAME, column};
use serde_json::json;

/// apps/v1 StatefulSet.
pub const STATEFUL_SET: Kind = Kind {
    kind: "StatefulSet",
    plural: "statefulsets",
    singular: "statefulset",
    short_names: &["sts"],
    stored_as: "apps/statefulsets",
    prepare: |object, _| workload::prepare(object, json!({"type": "RollingUpdate"}), "updateStrategy"),
    check: workload::check,
    columns: &[
        NAME,
        column("Ready", Cell::Of(|o, _| workload::ready(o))),
        AGE,
        workload::CONTAINERS,
        workload::IMAGES,
    ],
    ..workload::APPS
};
