//! A pod's object into values.

use super::downward::Fields;
use super::{Item, ObjectKind, Plugin, PodRef, Source, TokenKey, Wanted, WantedVolume, owner};
use jeton_core::deliver::{File, Ownership, VolumePath, file_mode, token_mode};
use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Pod, Volume, VolumeProjection};

/// Mode of files when a volume says nothing. Kubernetes 1.36: 0644.
const DEFAULT_MODE: i32 = 0o644;

/// What is wanted for a pod; volumes of other kinds are not looked at.
///
/// # Errors
/// The pod has no name, namespace or uid.
pub fn wanted(pod: &Pod) -> Result<Wanted, String> {
    let text = |value: &Option<String>, what: &str| {
        value.clone().filter(|v| !v.is_empty()).ok_or_else(|| format!("the pod has no metadata.{what}"))
    };
    let meta = &pod.metadata;
    let reference = PodRef {
        namespace: text(&meta.namespace, "namespace")?,
        name: text(&meta.name, "name")?,
        uid: text(&meta.uid, "uid")?,
    };
    let spec = pod.spec.as_ref().ok_or("the pod has no spec")?;
    let owner = owner::owner(spec);
    let mut reader = Reader { fields: Fields::of(pod), owner };
    let volumes = spec.volumes.iter().flatten().filter_map(|v| reader.volume(v)).collect();
    let account = spec.service_account_name.clone().unwrap_or_default();
    Ok(Wanted { pod: reference, account, owner, volumes })
}

struct Reader<'a> {
    fields: Fields<'a>,
    owner: Ownership,
}

/// The permission bits of a number as the API has it.
fn bits(mode: i32) -> u32 {
    u32::try_from(mode).unwrap_or(0) & 0o777
}

impl Reader<'_> {
    fn volume(&mut self, volume: &Volume) -> Option<WantedVolume> {
        let (plugin, sources) = if let Some(projected) = &volume.projected {
            let mode = projected.default_mode.unwrap_or(DEFAULT_MODE);
            let sources = projected.sources.iter().flatten().filter_map(|s| self.projection(s, mode));
            (Plugin::Projected, sources.collect())
        } else if let Some(secret) = &volume.secret {
            let (name, items) = (secret.secret_name.as_deref(), secret.items.as_deref());
            let mode = secret.default_mode.unwrap_or(DEFAULT_MODE);
            let source = self.object(ObjectKind::Secret, name, secret.optional, items, mode);
            (Plugin::Secret, vec![source])
        } else if let Some(map) = &volume.config_map {
            let mode = map.default_mode.unwrap_or(DEFAULT_MODE);
            let (name, items) = (Some(map.name.as_str()), map.items.as_deref());
            let source = self.object(ObjectKind::ConfigMap, name, map.optional, items, mode);
            (Plugin::ConfigMap, vec![source])
        } else {
            let downward = volume.downward_api.as_ref()?;
            let mode = downward.default_mode.unwrap_or(DEFAULT_MODE);
            (Plugin::DownwardApi, vec![self.fields(downward.items.as_deref(), mode)])
        };
        Some(WantedVolume { name: volume.name.clone(), plugin, sources })
    }

    fn projection(&mut self, source: &VolumeProjection, mode: i32) -> Option<Source> {
        if let Some(token) = &source.service_account_token {
            let key = TokenKey {
                audience: token.audience.clone().unwrap_or_default(),
                seconds: token.expiration_seconds,
            };
            return Some(match VolumePath::new(&token.path) {
                Ok(path) => Source::Token { key, path, mode: token_mode(bits(mode), self.owner) },
                Err(why) => Source::Refused { what: "token".to_owned(), why: why.to_string() },
            });
        }
        if let Some(map) = &source.config_map {
            let (name, items) = (Some(map.name.as_str()), map.items.as_deref());
            return Some(self.object(ObjectKind::ConfigMap, name, map.optional, items, mode));
        }
        if let Some(secret) = &source.secret {
            let (name, items) = (Some(secret.name.as_str()), secret.items.as_deref());
            return Some(self.object(ObjectKind::Secret, name, secret.optional, items, mode));
        }
        if let Some(downward) = &source.downward_api {
            return Some(self.fields(downward.items.as_deref(), mode));
        }
        let unknown = |what: &str| Source::Refused {
            what: what.to_owned(),
            why: "sources of this kind are not delivered here".to_owned(),
        };
        match source {
            VolumeProjection { cluster_trust_bundle: Some(_), .. } => Some(unknown("clusterTrustBundle")),
            VolumeProjection { pod_certificate: Some(_), .. } => Some(unknown("podCertificate")),
            _ => None,
        }
    }

    fn object(
        &self,
        kind: ObjectKind,
        name: Option<&str>,
        optional: Option<bool>,
        items: Option<&[KeyToPath]>,
        mode: i32,
    ) -> Source {
        let name = name.unwrap_or_default().to_owned();
        let items: Option<Result<Vec<Item>, _>> = items.filter(|i| !i.is_empty()).map(|items| {
            let item = |item: &KeyToPath| {
                let path = VolumePath::new(&item.path)?;
                let mode = file_mode(bits(item.mode.unwrap_or(mode)), self.owner);
                Ok::<_, jeton_core::deliver::PathError>(Item { key: item.key.clone(), path, mode })
            };
            items.iter().map(item).collect()
        });
        match items.transpose() {
            Ok(items) => Source::Object {
                kind,
                name,
                optional: optional.unwrap_or(false),
                items,
                mode: file_mode(bits(mode), self.owner),
            },
            Err(why) => Source::Refused { what: kind.named(&name), why: why.to_string() },
        }
    }

    fn fields(&mut self, items: Option<&[DownwardAPIVolumeFile]>, mode: i32) -> Source {
        let file = |item: &DownwardAPIVolumeFile| {
            let path = VolumePath::new(&item.path).map_err(|e| e.to_string())?;
            let bytes = self.fields.content(item)?;
            let mode = file_mode(bits(item.mode.unwrap_or(mode)), self.owner);
            Ok::<_, String>((path, File { bytes, mode }))
        };
        match items.unwrap_or_default().iter().map(file).collect() {
            Ok(part) => Source::Fields(part),
            Err(why) => Source::Refused { what: "downwardAPI".to_owned(), why },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(volumes: Value, context: Value) -> Wanted {
        let pod = json!({
            "metadata": {"name": "web", "namespace": "ns", "uid": "u"},
            "spec": {"serviceAccountName": "builder", "securityContext": context,
                "containers": [{"name": "c"}], "volumes": volumes},
        });
        wanted(&serde_json::from_value(pod).unwrap()).unwrap()
    }

    #[test]
    fn the_injected_volume() {
        let volumes = json!([{"name": "kube-api-access-x", "projected": {"defaultMode": 420, "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]}}, {"name": "scratch", "emptyDir": {}}]);
        let got = read(volumes, json!({"runAsUser": 1000}));
        assert_eq!((got.account.as_str(), got.volumes.len()), ("builder", 1));
        let path = |text: &str| VolumePath::new(text).unwrap();
        let namespace = File::new(b"ns".to_vec(), 0o644);
        let key = TokenKey { audience: String::new(), seconds: Some(3607) };
        let item = Item { key: "ca.crt".to_owned(), path: path("ca.crt"), mode: 0o644 };
        assert_eq!(
            got.volumes[0].sources,
            [
                Source::Token { key, path: path("token"), mode: 0o600 },
                Source::Object {
                    kind: ObjectKind::ConfigMap,
                    name: "kube-root-ca.crt".to_owned(),
                    optional: false,
                    items: Some(vec![item]),
                    mode: 0o644,
                },
                Source::Fields(vec![(path("namespace"), namespace)]),
            ]
        );
    }

    #[test]
    fn hostile_paths_cost_their_own_source() {
        let long = "x".repeat(300);
        let source = |path: &str| json!({"serviceAccountToken": {"path": path}});
        let volumes = json!([{"name": "v", "projected": {"sources": [
            source("../x"), source("/etc/x"), source(&long), source("ok"),
            {"secret": {"name": "s", "items": [{"key": "k", "path": "../../x"}]}},
            {"podCertificate": {"keyType": "ED25519", "signerName": "x/y"}}, {},
        ]}}]);
        let got = read(volumes, json!({}));
        let refused: Vec<bool> =
            got.volumes[0].sources.iter().map(|s| matches!(s, Source::Refused { .. })).collect();
        assert_eq!(refused, [true, true, true, false, true, true]);
    }

    #[test]
    fn names_that_drive_a_terminal_are_shown_in_words() {
        let hidden = "u\u{1b}[2J";
        let volumes = json!([{"name": "v", "projected": {"sources": [
            {"serviceAccountToken": {"path": hidden}}, {"configMap": {"name": hidden}},
            {"secret": {"name": hidden, "items": [{"key": "k", "path": "/x"}]}},
        ]}}]);
        let got = read(volumes, json!({}));
        let labels: Vec<String> = got.volumes[0].sources.iter().map(Source::label).collect();
        assert_eq!(labels, [r"token u\u{1b}[2J", r"configmap u\u{1b}[2J", r"secret u\u{1b}[2J"]);
    }

    #[test]
    fn a_plain_secret_volume() {
        let volumes =
            json!([{"name": "old", "secret": {"secretName": "t", "defaultMode": 256, "optional": true}}]);
        let got = read(volumes, json!({"fsGroup": 5}));
        let want = Source::Object {
            kind: ObjectKind::Secret,
            name: "t".to_owned(),
            optional: true,
            items: None,
            mode: 0o440,
        };
        assert_eq!((got.volumes[0].plugin, &got.volumes[0].sources[0]), (Plugin::Secret, &want));
    }
}
