//! The pod that stands for a program: values in, an object out.
//!
//! Left out on purpose: a node (deleting the pod then ends its tokens at once, and no kubelet takes it), and everything
//! about the program but the name of its file: arguments may hold secrets.

use super::RunError;
use super::place::MOUNT_PATH;
use jeton_core::deliver::{RENEWED_ANNOTATION, RUN_SCHEDULER, VolumePath};
use jeton_core::limits::{DEFAULT_LIFETIME_SECONDS, INJECTED_LIFETIME_SECONDS};
use k8s_openapi::api::core::v1::{Pod, Volume};
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::path::Path;

/// An image that can never be pulled (RFC 2606), should a kubelet ever get the pod.
const IMAGE: &str = "jeton.invalid/no-image";
/// The only container; it stands for the program.
const CONTAINER: &str = "program";
/// Label of every such pod, to list them by.
const LABEL: &str = "jeton.dev/run";
/// Annotations for whoever reads the pod.
const HOST_ANNOTATION: &str = "jeton.dev/host";
const COMMAND_ANNOTATION: &str = "jeton.dev/command";
/// Bytes of a name before the server's five letters.
const MAX_BASE_BYTES: usize = 40;
/// The volume of tokens that were asked for in particular.
const VOLUME: &str = "jeton-run-token";

/// Who the program is to be.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// The namespace.
    pub namespace: String,
    /// The service account.
    pub account: String,
    /// The name of the pod; `None`: made of the program's and five letters.
    pub pod: Option<String>,
    /// Lifetime that tokens ask for, in seconds; `None`: as injected.
    pub seconds: Option<i64>,
    /// Audiences beside the server's own, each with its file.
    pub audiences: Vec<(String, String)>,
    /// Seconds that the program has to end when it is asked to.
    pub grace_seconds: u32,
    /// The machine, for whoever reads the pod.
    pub host: String,
}

impl Identity {
    /// Reads `A` or `A=FILE`.
    ///
    /// # Errors
    /// Says which file is meant where the audience is no name of one.
    pub fn audience(text: &str) -> Result<(String, String), String> {
        let (audience, file) = text.rsplit_once('=').unwrap_or((text, text));
        if audience.is_empty() {
            return Err(format!("{text:?} names no audience; write AUDIENCE or AUDIENCE=FILE"));
        }
        match VolumePath::new(file) {
            Ok(path) if path.as_str() == file && !["token", "ca.crt", "namespace"].contains(&file) => {
                Ok((audience.to_owned(), file.to_owned()))
            }
            Ok(path) if path.as_str() == file => {
                Err(format!("the file {file:?} is taken; write {audience}=FILE with another one"))
            }
            _ => Err(format!(
                "{file:?} is no name of a file here; write {audience}=FILE, such as {audience}=vault"
            )),
        }
    }
}

/// The pod of a program, as it is asked for. `now`: what its first sign of life says.
pub(super) fn pod(who: &Identity, program: &OsStr, now: &str) -> Result<Pod, RunError> {
    let base = base_name(program);
    let mut metadata = json!({
        "labels": {LABEL: "true"},
        "annotations": {RENEWED_ANNOTATION: now, HOST_ANNOTATION: who.host, COMMAND_ANNOTATION: base},
    });
    match &who.pod {
        Some(name) => metadata["name"] = json!(name),
        None => metadata["generateName"] = json!(format!("{}-", label(&base))),
    }
    let mut container = json!({"name": CONTAINER, "image": IMAGE});
    let mut spec = json!({
        "serviceAccountName": who.account,
        "schedulerName": RUN_SCHEDULER,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": who.grace_seconds,
        // The account may say no; whoever starts a program this way says yes.
        "automountServiceAccountToken": true,
    });
    if who.seconds.is_some() || !who.audiences.is_empty() {
        container["volumeMounts"] = json!([{"name": VOLUME, "mountPath": MOUNT_PATH, "readOnly": true}]);
        spec["volumes"] = json!([{"name": VOLUME, "projected": {"sources": sources(who)}}]);
    }
    spec["containers"] = json!([container]);
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
    serde_json::from_value(pod).map_err(RunError::Pod)
}

/// What an injected volume holds, and a token for each audience. Kubernetes 1.36: the token, `ca.crt`, `namespace`.
fn sources(who: &Identity) -> Vec<Value> {
    let own = who.seconds.unwrap_or(INJECTED_LIFETIME_SECONDS);
    let other = who.seconds.unwrap_or(DEFAULT_LIFETIME_SECONDS);
    let mut sources = vec![
        json!({"serviceAccountToken": {"path": "token", "expirationSeconds": own}}),
        json!({"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}),
        json!({"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}),
    ];
    sources.extend(who.audiences.iter().map(|(audience, file)| {
        json!({"serviceAccountToken": {"path": file, "audience": audience, "expirationSeconds": other}})
    }));
    sources
}

/// The volume that the server says is mounted where programs look, whoever put it there.
pub(super) fn token_volume(pod: &Pod) -> Option<&Volume> {
    let spec = pod.spec.as_ref()?;
    let mounts = spec.containers.first()?.volume_mounts.as_ref()?;
    let name = &mounts.iter().find(|mount| mount.mount_path == MOUNT_PATH)?.name;
    spec.volumes.as_ref()?.iter().find(|volume| volume.name == *name)
}

/// What tells whether the runner of a pod lives: uid, what it says, and its machine.
pub(super) fn signs(pod: &Pod) -> (String, String, String) {
    let annotation = |key: &str| {
        let all = pod.metadata.annotations.as_ref();
        all.and_then(|all| all.get(key)).cloned().unwrap_or_default()
    };
    let uid = pod.metadata.uid.clone().unwrap_or_default();
    (uid, annotation(RENEWED_ANNOTATION), annotation(HOST_ANNOTATION))
}

/// The last part of a program's path.
fn base_name(program: &OsStr) -> String {
    let name = Path::new(program).file_name().unwrap_or(program);
    name.to_string_lossy().chars().filter(|c| !c.is_control()).take(MAX_BASE_BYTES).collect()
}

/// The same as the beginning of a pod's name: small letters, digits and hyphens.
fn label(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let label: String = name.chars().map(plain).collect();
    let label = label.trim_matches('-');
    if label.is_empty() { "run".to_owned() } else { label.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who() -> Identity {
        Identity { namespace: "ci".to_owned(), account: "builder".to_owned(), ..Identity::default() }
    }

    #[test]
    fn names_come_from_the_program_and_nothing_else() {
        for (program, want) in [
            ("/usr/bin/python3.13", "python3-13-"),
            ("Backup_Job.sh", "backup-job-sh-"),
            ("-", "run-"),
            ("/", "run-"),
            ("ÄÖ", "run-"),
            (&"x".repeat(300), &format!("{}-", "x".repeat(40))),
        ] {
            let pod = pod(&who(), OsStr::new(program), "now").unwrap();
            assert_eq!(pod.metadata.generate_name.as_deref(), Some(want));
        }
        let named = pod(&Identity { pod: Some("p".to_owned()), ..who() }, OsStr::new("x"), "now").unwrap();
        assert_eq!((named.metadata.name.as_deref(), named.metadata.generate_name), (Some("p"), None));
    }

    #[test]
    fn a_volume_is_asked_for_only_when_it_is_another_than_the_injected() {
        let plain = pod(&who(), OsStr::new("x"), "now").unwrap();
        assert!(plain.spec.as_ref().unwrap().volumes.is_none());
        assert!(token_volume(&plain).is_none());
        let with = Identity { audiences: vec![("vault".to_owned(), "v".to_owned())], ..who() };
        for (who, own, other) in
            [(with.clone(), 3607, 3600), (Identity { seconds: Some(900), ..with }, 900, 900)]
        {
            let pod = pod(&who, OsStr::new("x"), "now").unwrap();
            let volume = serde_json::to_value(token_volume(&pod).unwrap()).unwrap();
            let seconds = |n: usize| volume["projected"]["sources"][n]["serviceAccountToken"].clone();
            assert_eq!(seconds(0), json!({"path": "token", "expirationSeconds": own}));
            assert_eq!(seconds(3), json!({"path": "v", "audience": "vault", "expirationSeconds": other}));
        }
    }

    #[test]
    fn audiences_name_their_files() {
        for (text, want) in [
            ("vault", Some(("vault", "vault"))),
            ("https://v.example=vault", Some(("https://v.example", "vault"))),
            ("a=b=c", Some(("a=b", "c"))),
            ("v=d/f", Some(("v", "d/f"))),
            ("https://v.example", None),
            ("", None),
            ("=x", None),
            ("v=", None),
            ("v=../x", None),
            ("v=/x", None),
            ("token", None),
            ("v=ca.crt", None),
        ] {
            let got = Identity::audience(text).ok();
            assert_eq!(got.as_ref().map(|(a, f)| (a.as_str(), f.as_str())), want, "{text}");
        }
    }
}
