//! Modes and owners of files in a volume. Kubernetes 1.36: projected volumes, `SetVolumeOwnership`.

/// Who should own a volume's files, from a pod's security contexts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ownership {
    /// The uid that every container runs as, when they agree on one.
    pub user: Option<u32>,
    /// `fsGroup`.
    pub group: Option<u32>,
}

/// What a group may do with files of a read-only volume.
const GROUP_READS: u32 = 0o440;

/// Mode of a configMap, secret or downwardAPI item.
pub fn file_mode(mode: u32, owner: Ownership) -> u32 {
    let mode = mode & 0o777;
    if owner.group.is_some() { mode | GROUP_READS } else { mode }
}

/// Mode of a token file: `default_mode` for everybody's token, narrow as soon as somebody is named.
pub fn token_mode(default_mode: u32, owner: Ownership) -> u32 {
    let named = owner.user.is_some() || owner.group.is_some();
    file_mode(if named { 0o600 } else { default_mode }, owner)
}

/// Mode of directories inside the volume, setgid bit included.
pub fn dir_mode(owner: Ownership) -> u32 {
    if owner.group.is_some() { 0o2755 } else { 0o755 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_files_as_kubernetes_tests_them() {
        for (user, group, mode) in [
            (None, None, 0o644),
            (Some(1000), None, 0o600),
            (None, Some(2000), 0o640),
            (Some(1000), Some(2000), 0o640),
        ] {
            assert_eq!(token_mode(0o644, Ownership { user, group }), mode, "{user:?} {group:?}");
        }
    }

    #[test]
    fn other_files_keep_their_mode_and_open_up_for_the_group() {
        let group = Ownership { group: Some(1), user: None };
        for (mode, owner, want) in [
            (0o400, Ownership::default(), 0o400),
            (0o400, group, 0o440),
            (0o7644, Ownership::default(), 0o644),
            (0o600, Ownership { user: Some(1), group: None }, 0o600),
        ] {
            assert_eq!(file_mode(mode, owner), want);
        }
        assert_eq!((dir_mode(group), dir_mode(Ownership::default())), (0o2755, 0o755));
    }
}
