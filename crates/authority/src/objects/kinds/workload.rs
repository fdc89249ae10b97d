//! What the kinds of apps/v1 and batch/v1 have in common: a template of pods. Nothing here runs them.

use crate::objects::kind::{Kind, PLAIN, default_to};
use crate::objects::table::{Cell, Column, joined, labels, members, whole, wide};
use crate::status::Cause;
use serde_json::{Value, json};

/// What they start from.
pub(super) const APPS: Kind =
    Kind { group: "apps", categories: &["all"], has_status: true, has_generation: true, ..PLAIN };

pub(super) const CONTAINERS: Column =
    wide("Containers", Cell::Of(|o, _| joined(members(o, "/spec/template/spec/containers", "name"))));
pub(super) const IMAGES: Column =
    wide("Images", Cell::Of(|o, _| joined(members(o, "/spec/template/spec/containers", "image"))));
pub(super) const SELECTOR: Column =
    wide("Selector", Cell::Of(|o, _| labels(o, "/spec/selector/matchLabels")));

/// `ready/wanted`.
pub(super) fn ready(object: &Value) -> Value {
    json!(format!("{}/{}", whole(object, "/status/readyReplicas"), whole(object, "/spec/replicas")))
}

/// One replica, and how updates are rolled out, unless it says otherwise.
pub(super) fn prepare(object: &mut Value, strategy: Value, member: &str) {
    if let Some(spec) = object.get_mut("spec").filter(|s| s.is_object()) {
        default_to(spec, "replicas", 1);
        if !strategy.is_null() {
            default_to(spec, member, strategy);
        }
    }
    prepare_template(object);
}

/// Defaults of the pods.
pub(super) fn prepare_template(object: &mut Value) {
    if let Some(spec) = object.pointer_mut("/spec/template/spec").filter(|s| s.is_object()) {
        super::pod::default_spec(spec);
    }
}

/// The selector must be there, must not change, and must choose the template's pods.
pub(super) fn check(new: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    let selector = &new["spec"]["selector"];
    if !selector.is_object() {
        causes.push(Cause::required("spec.selector", ""));
    }
    if let Some(old) = old
        && old["spec"]["selector"] != *selector
    {
        causes.push(Cause::invalid_value("spec.selector", selector, "field is immutable"));
    }
    let wanted = selector["matchLabels"].as_object().into_iter().flatten();
    for (key, value) in wanted {
        let has = new.pointer("/spec/template/metadata/labels").and_then(|l| l.get(key));
        if has != Some(value) {
            let field = "spec.template.metadata.labels";
            let shown = new.pointer("/spec/template/metadata/labels").cloned().unwrap_or_default();
            causes.push(Cause::invalid_value(field, shown, "`selector` does not match template `labels`"));
            return;
        }
    }
    let replicas = new.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
    if replicas < 0 {
        causes.push(Cause::invalid_value("spec.replicas", replicas, "must be greater than or equal to 0"));
    }
}
