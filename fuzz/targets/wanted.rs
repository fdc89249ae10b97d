//! A pod as an API server gives it, with one object for every name in it, to the files on disk: nothing leads out of the
//! pod's directory, no file is open further than it may be, a source costs nobody else, and all of it can be removed.
#![no_main]

use jeton_core::deliver::{Bytes, File, Ownership, Part, Payload, assemble};
use jeton_core::text::is_hidden;
use jeton_core::time::UnixTime;
use jeton_fuzz::{inside, scratch};
use jeton_node::agent::{Home, Memory};
use jeton_node::api::{Found, ObjectSeen};
use jeton_node::keep::{Known, of_object};
use jeton_node::volume::Volume;
use jeton_node::wanted::{Source, Wanted, WantedVolume, wanted};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ProjectedVolumeSource, Volume as PodVolume};
use libfuzzer_sys::fuzz_target;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const NOW: UnixTime = UnixTime::from_seconds(1_795_651_200);
/// Volumes of one input that are written.
const VOLUMES: usize = 4;
/// Bytes that are held for each byte of an input: labels are quoted, and single ones may lie in files of their own.
const GROWTH: usize = 8;

/// A directory with the agent's own in it and nothing else.
static ABOVE: LazyLock<PathBuf> = LazyLock::new(scratch);
static HOME: LazyLock<Home> = LazyLock::new(|| Home::open(&ABOVE.join("home"), Memory::Never).unwrap());

fuzz_target!(|bytes: &[u8]| {
    let mut documents = serde_json::Deserializer::from_slice(bytes);
    let Ok(pod) = Pod::deserialize(&mut documents) else { return };
    let seen = object(ConfigMap::deserialize(&mut documents).ok());
    let Ok(all) = wanted(&pod) else { return };
    assert_eq!(wanted(&pod).as_ref(), Ok(&all));
    let sources = || all.volumes.iter().flat_map(|volume| &volume.sources);
    sources().for_each(|one| source(one, all.owner));
    assert_eq!(
        wanted(&apart(pod)).unwrap().volumes.into_iter().flat_map(|v| v.sources).collect::<Vec<_>>(),
        sources().cloned().collect::<Vec<_>>()
    );
    let parts: Vec<Vec<(bool, Part)>> = all.volumes.iter().map(|volume| parts(volume, &seen)).collect();
    let files = parts.iter().flatten().flat_map(|(_, part)| part).map(|(_, file)| &file.bytes);
    let held: BTreeMap<_, usize> = files.map(|bytes| (Arc::as_ptr(bytes), bytes.len())).collect();
    assert!(held.values().sum::<usize>() <= GROWTH * bytes.len(), "{held:?}");
    for (volume, parts) in all.volumes.iter().zip(&parts).take(VOLUMES) {
        write(&all, volume, &content(parts));
    }
    HOME.remove(&all.pod.uid).ok();
    assert_eq!(names(&ABOVE.join("home/pods")), [""; 0]);
});

/// What is known of an object: `None` is one that is not there.
fn object(map: Option<ConfigMap>) -> ObjectSeen {
    let Some(map) = map else { return ObjectSeen { found: Found::Missing, trouble: None } };
    let text = map.data.into_iter().flatten().map(|(key, value)| (key, Arc::new(value.into_bytes().into())));
    let bytes = map.binary_data.into_iter().flatten().map(|(key, value)| (key, Arc::new(value.0.into())));
    ObjectSeen { found: Found::Data(Arc::new(text.chain(bytes).collect())), trouble: None }
}

/// The same pod, with a volume of its own for each source.
fn apart(mut pod: Pod) -> Pod {
    let split = |volume: PodVolume| -> Vec<PodVolume> {
        let Some(projected) = volume.projected.clone() else { return vec![volume] };
        let alone = |source| {
            let projected = ProjectedVolumeSource { sources: Some(vec![source]), ..projected.clone() };
            PodVolume { projected: Some(projected), ..volume.clone() }
        };
        projected.sources.iter().flatten().cloned().map(alone).collect()
    };
    let volumes = pod.spec.as_mut().and_then(|spec| spec.volumes.take());
    if let Some(spec) = &mut pod.spec {
        spec.volumes = volumes.map(|volumes| volumes.into_iter().flat_map(split).collect());
    }
    pod
}

fn source(source: &Source, owner: Ownership) {
    assert!(!source.label().contains(is_hidden), "{source:?}");
    match source {
        Source::Token { path, mode, .. } => {
            inside(path.as_str());
            may(*mode, owner);
            let named = owner.user.is_some() || owner.group.is_some();
            assert!(!named || mode & 0o137 == 0, "others read a token: {source:?}");
        }
        Source::Object { items, mode, .. } => {
            may(*mode, owner);
            for item in items.iter().flatten() {
                inside(item.path.as_str());
                may(item.mode, owner);
            }
        }
        Source::Fields(part) => part.iter().for_each(|(path, file)| {
            inside(path.as_str());
            may(file.mode, owner);
        }),
        Source::Refused { why, .. } => assert!(!why.is_empty() && !why.contains(is_hidden), "{source:?}"),
    }
}

fn may(mode: u32, owner: Ownership) {
    let read = if owner.group.is_some() { 0o440 } else { 0 };
    assert!(mode <= 0o777 && mode & read == read, "{mode:o} {owner:?}");
}

/// The files of each source, and whether it is a token.
fn parts(volume: &WantedVolume, seen: &ObjectSeen) -> Vec<(bool, Part)> {
    let token: Bytes = File::new(b"token".to_vec(), 0).bytes;
    let part = |source: &Source| match source {
        Source::Token { path, mode, .. } => {
            (true, vec![(path.clone(), File { bytes: token.clone(), mode: *mode })])
        }
        Source::Fields(part) => (false, part.clone()),
        Source::Object { kind, name, optional, items, mode } => {
            match of_object(*kind, name, *optional, (items.as_deref(), *mode), seen) {
                Known::Files(part) => (false, part),
                Known::Pending | Known::Broken(_) => (false, Part::new()),
            }
        }
        Source::Refused { .. } => (false, Part::new()),
    };
    volume.sources.iter().map(part).collect()
}

/// What is in a volume. No token's path is missing in it.
fn content(parts: &[(bool, Part)]) -> Payload {
    let all: Vec<(bool, &Part)> = parts.iter().map(|(token, part)| (*token, part)).collect();
    let tokens: Vec<(bool, &Part)> = all.iter().copied().filter(|(token, _)| *token).collect();
    let payload = assemble(&all).0;
    assert!(assemble(&tokens).0.keys().all(|path| payload.contains_key(path)), "{payload:?}");
    payload
}

/// Writes a volume: what is found then is what was to be there, a second time changes nothing, and beside it is nothing.
fn write(all: &Wanted, volume: &WantedVolume, payload: &Payload) {
    let Ok(dir) = HOME.volume(all, volume) else { return };
    for name in [&all.pod.uid, &volume.name] {
        inside(name);
        assert!(!name.contains('/'));
    }
    // Only root gives files away.
    let mut disk = Volume::new(dir, Ownership::default());
    disk.update(payload, NOW).unwrap();
    assert_eq!(&disk.content().unwrap(), payload);
    assert!(!disk.update(payload, NOW).unwrap().changed);
    assert_eq!(names(&ABOVE), ["home"]);
    assert_eq!(names(&ABOVE.join("home")), ["lock", "pods"]);
    assert_eq!(names(&ABOVE.join("home/pods")), [all.pod.uid.as_str()]);
    assert_eq!(names(&HOME.path(&all.pod).join(volume.plugin.dir())).contains(&volume.name), true);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
