//! Who uses which kind of token: names that are few, however many pods and clients there are.

use crate::verify::{Kind, Staleness, Verified};

/// A kind of token, as its use shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UseKind {
    /// From a TokenRequest, with the lifetime that was asked for.
    Bound,
    /// Stretched to a year, and used within the hour that was asked for.
    Extended,
    /// Stretched to a year, and used after that hour: its program did not read the file again.
    Overdue,
    /// Out of a Secret that its account lists.
    LegacyAuto,
    /// Out of a Secret that somebody made by hand.
    LegacyManual,
    /// Out of a Secret, in a release that does not look which.
    Legacy,
}

impl UseKind {
    /// Which one a token that holds is.
    pub fn of(verified: &Verified) -> Self {
        match (verified.kind(), verified.staleness(), verified.legacy()) {
            (Kind::Legacy, _, Some(used)) if used.auto_generated => Self::LegacyAuto,
            (Kind::Legacy, _, Some(_)) => Self::LegacyManual,
            (Kind::Legacy, _, None) => Self::Legacy,
            (Kind::Bound, Staleness::NotExtended, _) => Self::Bound,
            (Kind::Bound, Staleness::Fresh, _) => Self::Extended,
            (Kind::Bound, Staleness::Stale(_), _) => Self::Overdue,
        }
    }

    /// For labels and columns.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bound => "bound",
            Self::Extended => "extended",
            Self::Overdue => "overdue",
            Self::LegacyAuto => "legacy-auto",
            Self::LegacyManual => "legacy-manual",
            Self::Legacy => "legacy",
        }
    }

    /// Whether somebody has to do something about it before tokens are made to end.
    pub const fn is_old(self) -> bool {
        !matches!(self, Self::Bound | Self::Extended)
    }
}

/// What a user agent begins with or holds, and the family it shows. The first row that fits counts.
const FAMILIES: [(&str, &str); 22] = [
    ("kubectl/", "kubectl"),
    ("kubelet/", "kubelet"),
    ("kube-", "kubernetes"),
    ("jeton", "jeton"),
    ("openapi-generator/1.0-snapshot/java", "java"),
    ("kubernetes java client/", "java"),
    ("fabric8-kubernetes-client/", "fabric8"),
    ("okhttp/", "fabric8"),
    ("kubernetes-csharp/", "csharp"),
    ("rest-client/", "ruby"),
    ("prometheus/", "prometheus"),
    ("fluent-bit", "fluent-bit"),
    ("go-http-client/", "go-http"),
    ("python-requests/", "python"),
    ("node-fetch", "javascript"),
    ("curl/", "curl"),
    ("/python", "python"),
    ("/ruby", "ruby"),
    ("/javascript", "javascript"),
    ("/java", "java"),
    ("aiohttp/", "python"),
    (" kubernetes/", "client-go"),
];

/// The family of a client by its user agent: one of a fixed list, so that no client can make names up.
pub fn family(agent: Option<&str>) -> &'static str {
    let Some(agent) = agent.filter(|agent| !agent.is_empty()) else { return "none" };
    let agent = agent.to_ascii_lowercase();
    let fits = |part: &str| {
        if part.starts_with(['/', ' ']) { agent.contains(part) } else { agent.starts_with(part) }
    };
    FAMILIES.iter().find(|(part, _)| fits(part)).map_or("other", |(_, family)| family)
}

/// A pod's name without what its workload's controllers added: five letters, the hash of a template, an ordinal.
pub fn stem(pod: &str) -> &str {
    const LETTERS: &str = "bcdfghjklmnpqrstvwxz2456789";
    let made = |part: &str| part.chars().all(|c| LETTERS.contains(c));
    let Some((rest, last)) = pod.rsplit_once('-') else { return pod };
    if !last.is_empty() && last.len() <= 3 && last.bytes().all(|b| b.is_ascii_digit()) {
        return rest;
    }
    if last.len() != 5 || !made(last) {
        return pod;
    }
    match rest.rsplit_once('-') {
        Some((workload, hash)) if (8..=10).contains(&hash.len()) && made(hash) => workload,
        _ => rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_few() {
        for (agent, want) in [
            (None, "none"),
            (Some(""), "none"),
            (Some("kubectl/v1.36.2 (linux/amd64) kubernetes/abc"), "kubectl"),
            (Some("kube-scheduler/v1.36.2 (linux/amd64) kubernetes/abc"), "kubernetes"),
            (Some("argocd/v0.0.0 (linux/amd64) kubernetes/$Format"), "client-go"),
            (Some("OpenAPI-Generator/11.0.0/python"), "python"),
            (Some("Swagger-Codegen/1.0.0-alpha2/ruby"), "ruby"),
            (Some("OpenAPI-Generator/1.0-SNAPSHOT/java"), "java"),
            (Some("Kubernetes Java Client/10.0.1-SNAPSHOT"), "java"),
            (Some("fabric8-kubernetes-client/6.1"), "fabric8"),
            (Some("Go-http-client/2.0"), "go-http"),
            (Some("made up 1234"), "other"),
        ] {
            assert_eq!(family(agent), want, "{agent:?}");
        }
    }

    #[test]
    fn pods_of_a_workload_share_a_name() {
        for (pod, want) in [
            ("web-7c9f4d5b8-x2vzq", "web"),
            ("web-api-66bb4c9d7f-k2l9x", "web-api"),
            ("agent-x2vzq", "agent"),
            ("db-0", "db"),
            ("db-12", "db"),
            ("plain", "plain"),
            ("my-app", "my-app"),
            ("run-hello", "run-hello"),
        ] {
            assert_eq!(stem(pod), want, "{pod}");
        }
    }
}
