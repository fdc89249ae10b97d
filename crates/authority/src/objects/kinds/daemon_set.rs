//! DaemonSets: stored, not run; owners of pods.

use super::workload;
use crate::objects::kind::Kind;
use crate::objects::table::{AGE, Cell, NAME, column, labels, number, whole};
use serde_json::json;

/// apps/v1 DaemonSet.
pub const DAEMON_SET: Kind = Kind {
    kind: "DaemonSet",
    plural: "daemonsets",
    singular: "daemonset",
    short_names: &["ds"],
    stored_as: "apps/daemonsets",
    prepare: |object, _| workload::prepare_template(object),
    check: workload::check,
    columns: &[
        NAME,
        number("Desired", Cell::Of(|o, _| json!(whole(o, "/status/desiredNumberScheduled")))),
        number("Current", Cell::Of(|o, _| json!(whole(o, "/status/currentNumberScheduled")))),
        number("Ready", Cell::Of(|o, _| json!(whole(o, "/status/numberReady")))),
        number("Up-to-date", Cell::Of(|o, _| json!(whole(o, "/status/updatedNumberScheduled")))),
        number("Available", Cell::Of(|o, _| json!(whole(o, "/status/numberAvailable")))),
        column("Node Selector", Cell::Of(|o, _| labels(o, "/spec/template/spec/nodeSelector"))),
        AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        workload::SELECTOR,
    ],
    ..workload::APPS
};
