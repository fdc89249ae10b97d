//! Which program, and as whom.

use crate::args::{Output, duration};
use clap::Args as ClapArgs;
use jeton_node::run::Identity;
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct Run {
    /// The service account, as NAMESPACE/NAME, or NAME in the namespace of the kubeconfig's context.
    #[arg(long, value_name = "NS/NAME", value_parser = account)]
    pub(crate) service_account: (String, String),
    /// The kubeconfig. Default: KUBECONFIG, then ./jeton-data/admin.kubeconfig, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// Lifetime that tokens ask for, such as 10m. Default: the volume that the server injects, 3607 s.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) duration: Option<i64>,
    /// A token for another audience, in a file beside `token`; the file has the audience's name unless one is given. May be
    /// repeated.
    #[arg(long, value_name = "AUDIENCE[=FILE]", value_parser = Identity::audience)]
    pub(crate) audience: Vec<(String, String)>,
    /// Name of the pod. Default: the program's and five letters. One whose runner died is taken over.
    #[arg(long, value_name = "NAME")]
    pub(crate) pod_name: Option<String>,
    /// How long the program may take to end after SIGTERM, or after its pod was deleted; then it is killed.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) grace_period: i64,
    /// Mount nothing: put the files into a directory of this user that JETON_SERVICEACCOUNT_DIR names.
    #[arg(long)]
    pub(crate) no_mount: bool,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Tour {
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// What a keeper is told by its supervisor.
#[derive(Debug, ClapArgs)]
pub(crate) struct RunKeep {
    #[arg(long)]
    pub(crate) door: String,
    #[arg(long)]
    pub(crate) group: i32,
    #[arg(long)]
    pub(crate) mount: bool,
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) allocator: Option<OsString>,
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

/// What becomes the program.
#[derive(Debug, ClapArgs)]
pub(crate) struct RunExec {
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

/// Namespace, empty where the context decides, and name.
fn account(text: &str) -> Result<(String, String), String> {
    let (namespace, name) = text.split_once('/').unwrap_or(("", text));
    let given = text.contains('/');
    if name.is_empty() || name.contains('/') || (given && namespace.is_empty()) {
        return Err(format!("{text:?} is no account: write NAMESPACE/NAME, such as ci/builder"));
    }
    Ok((namespace.to_owned(), name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts() {
        for (text, want) in [
            ("ci/builder", Some(("ci", "builder"))),
            ("builder", Some(("", "builder"))),
            ("", None),
            ("/builder", None),
            ("ci/", None),
            ("a/b/c", None),
        ] {
            let got = account(text).ok();
            assert_eq!(got.as_ref().map(|(ns, n)| (ns.as_str(), n.as_str())), want, "{text}");
        }
    }
}
