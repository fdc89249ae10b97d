//! Deployments: stored, not run; owners of what they would make.

use super::workload;
use crate::objects::kind::Kind;
use crate::objects::table::{AGE, Cell, NAME, column, number, whole};
use serde_json::json;

/// apps/v1 Deployment.
pub const DEPLOYMENT: Kind = Kind {
    kind: "Deployment",
    plural: "deployments",
    singular: "deployment",
    short_names: &["deploy"],
    stored_as: "apps/deployments",
    prepare: |object, _| workload::prepare(object, json!({"type": "RollingUpdate"}), "strategy"),
    check: workload::check,
    columns: &[
        NAME,
        column("Ready", Cell::Of(|o, _| workload::ready(o))),
        number("Up-to-date", Cell::Of(|o, _| json!(whole(o, "/status/updatedReplicas")))),
        number("Available", Cell::Of(|o, _| json!(whole(o, "/status/availableReplicas")))),
        AGE,
        workload::CONTAINERS,
        workload::IMAGES,
        workload::SELECTOR,
    ],
    ..workload::APPS
};
