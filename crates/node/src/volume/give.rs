//! To whom this process may give files: root to everybody, others to themselves and their groups.

use jeton_core::deliver::Ownership;

/// Who this process is to the system.
#[derive(Clone, Debug, Default)]
struct Me {
    user: u32,
    groups: Vec<u32>,
}

fn me() -> Me {
    use rustix::process::{getegid, geteuid, getgroups};
    let groups = getgroups().unwrap_or_default().into_iter().chain([getegid()]);
    Me { user: geteuid().as_raw(), groups: groups.map(|group| group.as_raw()).collect() }
}

/// What can be done of what is wanted, and what cannot, in words. Modes are to stay as narrow as if all of it could.
pub(crate) fn givable(wanted: Ownership) -> (Ownership, Option<String>) {
    if wanted == Ownership::default() { (wanted, None) } else { within(wanted, &me()) }
}

fn within(wanted: Ownership, me: &Me) -> (Ownership, Option<String>) {
    let root = me.user == 0;
    let user = wanted.user.filter(|user| root || *user == me.user);
    let group = wanted.group.filter(|group| root || me.groups.contains(group));
    let what = match (wanted.user.filter(|_| user.is_none()), wanted.group.filter(|_| group.is_none())) {
        (None, None) => return (Ownership { user, group }, None),
        (Some(user), None) => format!("user {user}"),
        (None, Some(group)) => format!("group {group}"),
        (Some(user), Some(group)) => format!("user {user} and group {group}"),
    };
    let why = format!("files stay with user {}: only root could give them to {what}", me.user);
    (Ownership { user, group }, Some(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_gives_to_others() {
        let of = |user, group| Ownership { user, group };
        let me = Me { user: 1000, groups: vec![1000, 44] };
        for (wanted, can, missing) in [
            (of(None, None), of(None, None), None),
            (of(Some(1000), Some(44)), of(Some(1000), Some(44)), None),
            (of(Some(5), None), of(None, None), Some("user 5")),
            (of(None, Some(6)), of(None, None), Some("group 6")),
            (of(Some(1000), Some(6)), of(Some(1000), None), Some("group 6")),
            (of(Some(5), Some(44)), of(None, Some(44)), Some("user 5")),
            (of(Some(5), Some(6)), of(None, None), Some("user 5 and group 6")),
        ] {
            let (got, why) = within(wanted, &me);
            assert_eq!(got, can, "{wanted:?}");
            let words =
                missing.map(|m| format!("files stay with user 1000: only root could give them to {m}"));
            assert_eq!(why, words);
            assert_eq!(within(wanted, &Me::default()), (wanted, None), "root");
        }
    }
}
