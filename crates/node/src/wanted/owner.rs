//! Whose files a pod's volumes are.

use jeton_core::deliver::Ownership;
use k8s_openapi::api::core::v1::PodSpec;

/// Kubernetes 1.36 (FsUserFrom): a user only when every container, init and ephemeral ones included, runs as the same
/// one; what an image says does not count. `fsGroup` is the group.
pub(super) fn owner(spec: &PodSpec) -> Ownership {
    let pod = spec.security_context.as_ref();
    let default = pod.and_then(|c| c.run_as_user);
    let init = spec.init_containers.iter().flatten().map(|c| c.security_context.as_ref());
    let main = spec.containers.iter().map(|c| c.security_context.as_ref());
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|c| c.security_context.as_ref());
    let mut users =
        init.chain(main).chain(ephemeral).map(|context| context.and_then(|c| c.run_as_user).or(default));
    let first = users.next().flatten();
    let user = first.filter(|first| users.all(|user| user == Some(*first)));
    let small = |id: Option<i64>| id.and_then(|id| u32::try_from(id).ok());
    Ownership { user: small(user), group: small(pod.and_then(|c| c.fs_group)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn of(spec: Value) -> Ownership {
        owner(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn a_user_only_when_all_containers_agree() {
        let run = |id: i64| json!({"name": "c", "securityContext": {"runAsUser": id}});
        let plain = json!({"name": "c"});
        for (spec, user) in [
            (json!({"containers": [plain]}), None),
            (json!({"containers": [run(5), run(5)]}), Some(5)),
            (json!({"containers": [run(5), run(6)]}), None),
            (json!({"containers": [run(5), plain]}), None),
            (json!({"containers": [plain], "securityContext": {"runAsUser": 7}}), Some(7)),
            (json!({"containers": [run(5)], "securityContext": {"runAsUser": 7}}), Some(5)),
            (json!({"containers": [run(5)], "initContainers": [plain]}), None),
            (json!({"containers": [run(5)], "ephemeralContainers": [plain]}), None),
            (json!({"containers": [run(-1)]}), None),
        ] {
            assert_eq!(of(spec.clone()).user, user, "{spec}");
        }
        let group = json!({"containers": [plain], "securityContext": {"fsGroup": 2000}});
        assert_eq!(of(group), Ownership { user: None, group: Some(2000) });
    }
}
