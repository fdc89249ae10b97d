//! A user's own file of knowledge, and User-Agents read with it: an error names a line that is there, and a version is a
//! part of the User-Agent.
#![no_main]

use jeton_doctor::knowledge::Knowledge;
use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static BUILT_IN: LazyLock<Knowledge> = LazyLock::new(|| Knowledge::built_in().unwrap());

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (table, agents) = text.split_once('\0').unwrap_or(("", text));
    let mut knowledge = BUILT_IN.clone();
    if let Err(error) = knowledge.extend("mine.tsv", table) {
        assert!((1..=table.lines().count()).contains(&error.line), "{error}");
        assert!(error.to_string().starts_with("mine.tsv, line ") && !error.what.is_empty(), "{error}");
    }
    for agent in agents.split('\0') {
        let client = knowledge.client(agent);
        assert!(client.version.as_ref().is_none_or(|version| agent.contains(version.as_str())), "{client:?}");
        for addon in &knowledge.addons {
            let _ = addon.affects(agent);
        }
    }
});
