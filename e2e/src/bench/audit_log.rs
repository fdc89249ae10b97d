//! Audit logs as kube-apiserver writes them, of any size: the same bytes for the same shape.

use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// One in so many events has a mark.
const MARKED: usize = 1000;

/// Who is in a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Pods, each a workload of its own with a token an hour.
    pub(super) pods: usize,
    /// Rounds of all pods in an hour. In the first one the kubelet asks for their tokens.
    pub(super) rounds: usize,
}

impl Shape {
    /// Writes events until there are so many bytes, and gives how many there are.
    pub(super) fn write(self, path: &Path, bytes: u64) -> Result<u64, Box<dyn Error>> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let mut written = 0;
        for number in 0.. {
            let event = self.event(number);
            writeln!(out, "{event}")?;
            written += event.len() as u64 + 1;
            if written >= bytes {
                break;
            }
        }
        out.flush()?;
        Ok(written)
    }

    fn event(self, number: usize) -> String {
        let an_hour = self.pods * self.rounds;
        let (hour, second) = (number / an_hour, number % an_hour * 3600 / an_hour);
        let at = format!(
            "2026-11-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            1 + hour / 24 % 28,
            hour % 24,
            second / 60,
            second % 60,
            number % 1_000_000
        );
        let pod = number % self.pods;
        if number % an_hour < self.pods {
            issue(number, pod, hour, &at)
        } else {
            request(number, pod, hour, &at)
        }
    }
}

/// The `jti` of a pod's token of one hour.
fn credential(pod: usize, hour: usize) -> String {
    format!("c2a6b0c4-{hour:04}-4a55-{hour:04}-{pod:012}")
}

/// One request of a pod that reads its token again every hour, or of one that does not.
fn request(number: usize, pod: usize, hour: usize, at: &str) -> String {
    let is_stale = pod.is_multiple_of(MARKED);
    let user = format!("system:serviceaccount:team-{}:app-{pod}", pod % 20);
    let mark = if is_stale && hour > 1 {
        format!(
            r#","authentication.k8s.io/stale-token":"subject: {user}, seconds after warning threshold: {}""#,
            hour * 3600 - 3607
        )
    } else {
        String::new()
    };
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"5f0c0c1e-8f3a-4a55-9d53-{number:012}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/team-{team}/configmaps?limit=500\u0026resourceVersion=0","verb":"list","user":{{"username":"{user}","uid":"0d2b8c5a-4f0e-4d2a-9a52-{pod:012}","groups":["system:serviceaccounts","system:serviceaccounts:team-{team}","system:authenticated"],"extra":{{"authentication.kubernetes.io/credential-id":["JTI={credential}"],"authentication.kubernetes.io/node-name":["node-{node}"],"authentication.kubernetes.io/node-uid":["9f0c0c1e-8f3a-4a55-9d53-{node:012}"],"authentication.kubernetes.io/pod-name":["app-{pod}-7c9f8d6b5d-x2k4z"],"authentication.kubernetes.io/pod-uid":["1c7c0c1e-8f3a-4a55-9d53-{pod:012}"]}}}},"sourceIPs":["10.{higher}.{high}.{low}"],"userAgent":"app-{pod}/v0.0.0 (linux/amd64) kubernetes/$Format","objectRef":{{"resource":"configmaps","namespace":"team-{team}","apiVersion":"v1"}},"responseStatus":{{"metadata":{{}},"code":200}},"requestReceivedTimestamp":"{at}","stageTimestamp":"{at}","annotations":{{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by RoleBinding \"app/team-{team}\" of Role \"app\" to ServiceAccount \"app-{pod}/team-{team}\""{mark}}}}}"#,
        team = pod % 20,
        credential = credential(pod, if is_stale { 0 } else { hour }),
        node = pod % 100,
        higher = 1 + pod / 62_500,
        high = pod / 250 % 250,
        low = pod % 250,
    )
}

/// The kubelet asks for a pod's token.
fn issue(number: usize, pod: usize, hour: usize, at: &str) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"5f0c0c1e-8f3a-4a55-9d53-{number:012}","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/team-{team}/serviceaccounts/app-{pod}/token","verb":"create","user":{{"username":"system:node:node-{node}","groups":["system:nodes","system:authenticated"]}},"sourceIPs":["10.0.0.{node}"],"userAgent":"kubelet/v1.36.0 (linux/amd64) kubernetes/abcdef0","objectRef":{{"resource":"serviceaccounts","namespace":"team-{team}","name":"app-{pod}","apiVersion":"v1","subresource":"token"}},"responseStatus":{{"metadata":{{}},"code":201}},"requestReceivedTimestamp":"{at}","stageTimestamp":"{at}","annotations":{{"authentication.kubernetes.io/issued-credential-id":"JTI={credential}","authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":""}}}}"#,
        team = pod % 20,
        credential = credential(pod, hour),
        node = pod % 100,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_json_and_some_have_a_mark() {
        let shape = Shape { pods: 2000, rounds: 3 };
        let (mut issued, mut marked) = (0, 0);
        for number in 0..3 * 6000 {
            let event: serde_json::Value = serde_json::from_str(&shape.event(number)).unwrap();
            let annotations = &event["annotations"];
            issued +=
                usize::from(annotations["authentication.kubernetes.io/issued-credential-id"].is_string());
            marked += usize::from(annotations["authentication.k8s.io/stale-token"].is_string());
        }
        assert_eq!((issued, marked), (3 * 2000, 2 * 2), "two pods are stale, and marked in the third hour");
    }
}
