//! The rights that the cluster collector uses, as manifests for `kubectl apply -f -`.
//!
//! Invariant: no verb but get and list; Secrets only in the second role.

/// What works without any right to Secrets.
const BASE: &str = r#"# What `jeton doctor cluster` reads. It never writes. Without a right the answer is "unknown", not an error.
# Give it to somebody with one of:
#   kubectl create clusterrolebinding jeton-doctor --clusterrole=jeton-doctor --user=NAME
#   kubectl create clusterrolebinding jeton-doctor --clusterrole=jeton-doctor --serviceaccount=NAMESPACE:NAME
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: jeton-doctor
rules:
# Version, and the counters of stale and legacy tokens.
- nonResourceURLs: ["/version", "/metrics"]
  verbs: ["get"]
# How each container gets its token, and since when it runs.
- apiGroups: [""]
  resources: ["pods"]
  verbs: ["list"]
# The CronJob behind a pod.
- apiGroups: ["batch"]
  resources: ["jobs"]
  verbs: ["list"]
# The addresses of all API servers: each has counters of its own.
- apiGroups: ["discovery.k8s.io"]
  resources: ["endpointslices"]
  verbs: ["list"]
"#;

/// What needs Secrets.
const SECRETS: &str = r#"---
# What this role adds to jeton-doctor:
#   - token Secrets: name, account, last use, invalid since (their metadata; their data is never asked for)
#   - whether a controller or a person made such a Secret (serviceaccounts)
#   - what the account behind it may do (rolebindings, clusterrolebindings)
#   - with certainty, which mounted Secrets hold tokens
#   - the chart version of Helm releases of known add-ons (the only Secrets that are read; chart version kept alone)
# RBAC cannot grant the metadata of Secrets alone: whoever holds this role can read every Secret. Bind it for the time
# of the examination and remove it afterwards:
#   kubectl create clusterrolebinding jeton-doctor-secrets --clusterrole=jeton-doctor-secrets --user=NAME
#   kubectl delete clusterrolebinding jeton-doctor-secrets
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: jeton-doctor-secrets
rules:
- apiGroups: [""]
  resources: ["secrets"]
  verbs: ["get", "list"]
- apiGroups: [""]
  resources: ["serviceaccounts"]
  verbs: ["list"]
- apiGroups: ["rbac.authorization.k8s.io"]
  resources: ["rolebindings", "clusterrolebindings"]
  verbs: ["list"]
"#;

/// The manifests.
pub fn manifests(with_secrets: bool) -> String {
    let second = if with_secrets { SECRETS } else { "" };
    format!("{BASE}{second}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_the_second_role_alone_and_nothing_can_be_written() {
        assert!(!manifests(false).contains("\"secrets\""));
        let all = manifests(true);
        assert_eq!(all.matches("kind: ClusterRole\n").count(), 2);
        for line in all.lines().filter(|line| line.trim_start().starts_with("verbs:")) {
            let verbs = line.replace("\"get\"", "").replace("\"list\"", "");
            assert_eq!(verbs.trim().trim_end_matches(']').trim_end_matches([',', ' ']), "verbs: [", "{line}");
        }
    }
}
