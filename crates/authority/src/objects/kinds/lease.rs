//! Leases: who leads, and who is alive.

use crate::objects::kind::{Kind, PLAIN};
use crate::objects::table::{AGE, Cell, NAME, column};
use crate::status::Cause;
use serde_json::Value;

/// coordination.k8s.io/v1 Lease.
pub const LEASE: Kind = Kind {
    group: "coordination.k8s.io",
    kind: "Lease",
    plural: "leases",
    singular: "lease",
    stored_as: "coordination.k8s.io/leases",
    check,
    columns: &[NAME, column("Holder", Cell::At("/spec/holderIdentity")), AGE],
    ..PLAIN
};

fn check(new: &Value, _: Option<&Value>, causes: &mut Vec<Cause>) {
    for (field, least) in [("leaseDurationSeconds", 1), ("leaseTransitions", 0)] {
        let value = new["spec"][field].as_i64();
        if let Some(value) = value.filter(|v| *v < least) {
            let why =
                if least == 0 { "must be greater than or equal to 0" } else { "must be greater than 0" };
            causes.push(Cause::invalid_value(format!("spec.{field}"), value, why));
        }
    }
}
