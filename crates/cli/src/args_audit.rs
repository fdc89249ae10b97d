//! Flags of the audit log, spelt as kube-apiserver spells them.

use crate::process::Failure;
use clap::Args as ClapArgs;
use jeton_authority::audit::Settings;
use std::path::PathBuf;

/// Files that `jeton up` keeps when nothing is said, so that it cannot fill a disk.
const UP_BACKUPS: usize = 10;

#[derive(Debug, ClapArgs)]
pub(crate) struct Audit {
    /// File for the audit log: one audit.k8s.io/v1 event of level Metadata a line, mode 0600. Default: none for serve,
    /// audit.log in the data directory for up.
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log_path: Option<PathBuf>,
    /// Size in MB at which the audit log is set aside and a new one begun; 0: 100.
    #[arg(long, value_name = "MB", default_value_t = 0)]
    pub(crate) audit_log_maxsize: u64,
    /// How many audit logs that were set aside are kept; 0: all. Default: 0 for serve, 10 for up.
    #[arg(long, value_name = "N")]
    pub(crate) audit_log_maxbackup: Option<usize>,
    /// Days that audit logs which were set aside are kept; 0: for ever.
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    pub(crate) audit_log_maxage: u32,
}

impl Audit {
    /// The settings of `serve`.
    pub(crate) fn settings(&self) -> Result<Option<Settings>, Failure> {
        let Some(path) = &self.audit_log_path else {
            return if self.is_plain() {
                Ok(None)
            } else {
                Err(Failure::misuse("--audit-log-maxsize, -maxbackup and -maxage need --audit-log-path"))
            };
        };
        self.at(path.clone(), 0).map(Some)
    }

    /// The settings of `up`, whose audit log is `default` when nothing is said.
    pub(crate) fn settings_or(&self, default: PathBuf) -> Result<Option<Settings>, Failure> {
        self.at(self.audit_log_path.clone().unwrap_or(default), UP_BACKUPS).map(Some)
    }

    fn is_plain(&self) -> bool {
        self.audit_log_maxsize == 0 && self.audit_log_maxbackup.is_none() && self.audit_log_maxage == 0
    }

    fn at(&self, path: PathBuf, backups: usize) -> Result<Settings, Failure> {
        if path.as_os_str() == "-" {
            return Err(Failure::misuse(
                "--audit-log-path must be a file: standard output carries the ready line; /dev/stderr works",
            ));
        }
        Ok(Settings {
            path,
            max_size_mb: self.audit_log_maxsize,
            max_backups: self.audit_log_maxbackup.unwrap_or(backups),
            max_age_days: self.audit_log_maxage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        audit: Audit,
    }

    fn parse(args: &[&str]) -> Audit {
        Line::try_parse_from([&["x"][..], args].concat()).map(|l| l.audit).unwrap()
    }

    #[test]
    fn serve_has_none_and_up_has_one() {
        assert_eq!(parse(&[]).settings().unwrap(), None);
        let up = parse(&[]).settings_or(PathBuf::from("d/audit.log")).unwrap().unwrap();
        assert_eq!((up.path, up.max_backups), (PathBuf::from("d/audit.log"), UP_BACKUPS));
        let all = [
            "--audit-log-path=a",
            "--audit-log-maxsize=5",
            "--audit-log-maxbackup=0",
            "--audit-log-maxage=7",
        ];
        let want = Settings { path: PathBuf::from("a"), max_size_mb: 5, max_backups: 0, max_age_days: 7 };
        assert_eq!(parse(&all).settings().unwrap(), Some(want.clone()));
        assert_eq!(parse(&all).settings_or(PathBuf::from("b")).unwrap(), Some(want));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for args in [&["--audit-log-path=-"][..], &["--audit-log-maxage=1"]] {
            assert_eq!(parse(args).settings().unwrap_err().code, 64, "{args:?}");
        }
    }
}
