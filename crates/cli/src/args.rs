//! What can be typed.

use crate::args_audit::Audit;
use crate::args_key::Key;
use crate::args_legacy::Legacy;
use crate::args_rehearse::Rehearse;
use crate::args_release::Emulation;
use crate::args_revoke::Revoke;
use crate::args_run::{Run, RunExec, RunKeep, Tour};
use crate::reference::Page;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Kubernetes service account tokens, from issue to revocation, without a cluster or beside one.
#[derive(Debug, Parser)]
#[command(name = "jeton", version, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the authority: a Kubernetes API for service accounts and their tokens.
    #[command(
        after_help = "Examples:\n  jeton serve --data-dir /var/lib/jeton\n  jeton serve --data-dir d --listen 127.0.0.1:0 --service-account-signing-key-file sa.key\n  jeton serve --data-dir d --emulated-version 1.20"
    )]
    Serve(Serve),
    /// Start an authority in ./jeton-data and an agent for node `local`, and show what to type next.
    #[command(after_help = "Examples:\n  jeton up\n  jeton up --emulated-version 1.20")]
    Up(Up),
    /// Run a program as if it were a pod: with a token of a service account in the usual file, fresh as long as the program
    /// runs, and worthless when it has ended. Exit: the program's own code; 128 and the signal that killed it.
    #[command(
        after_help = "Examples:\n  jeton run --service-account ci/builder -- kubectl get pods\n  jeton run --service-account ci/builder --audience vault --duration 10m -- ./deploy.sh\n  jeton run --service-account default/web --pod-name web-1 --grace-period 1m -- python3 app.py\n\nKUBECONFIG is left to the program: a client that prefers it to its pod needs `env -u KUBECONFIG`."
    )]
    Run(Run),
    /// See the life of a token in under a minute: issued, mounted, read by a program, rotated, revoked. In a temporary
    /// directory, with real processes; exit 0 only if all of it happened.
    #[command(after_help = "Examples:\n  jeton tour\n  jeton tour -o json")]
    Tour(Tour),
    #[command(hide = true, name = jeton_node::run::KEEP_COMMAND)]
    RunKeep(RunKeep),
    #[command(hide = true, name = jeton_node::run::EXEC_COMMAND)]
    RunExec(RunExec),
    /// Create, inspect or review a token. Tokens are read from standard input, never from the command line.
    #[command(subcommand)]
    Token(Token),
    /// List or rotate the keys that sign tokens.
    #[command(subcommand)]
    Key(Key),
    /// Look after tokens out of Secrets, which never end by themselves.
    #[command(subcommand)]
    Legacy(Legacy),
    /// Do the kubelet's work for tokens on this machine: keep the projected volumes of the pods of one node on disk, fresh,
    /// and remove them with their pod. Starts no containers. Works against any Kubernetes API server.
    #[command(
        after_help = "Examples:\n  jeton node add vm1 -o vm1.kubeconfig   # beside the authority; copy the file to the machine\n  jeton agent --kubeconfig vm1.kubeconfig --node-name vm1 --root /run/jeton\n  kubectl get pod web -o jsonpath='{.status.conditions}'   # where its files are, and whether they are there"
    )]
    Agent(crate::args_node::Agent),
    /// Manage nodes: machines whose agents keep tokens.
    #[command(subcommand)]
    Node(crate::args_node::Node),
    /// Find programs that will fail because they never read their token again. Read-only; needs nothing in the cluster.
    #[command(subcommand)]
    Doctor(crate::args_doctor::Doctor),
    /// Play manifests against one Kubernetes version after another: where their tokens come from in each, and what must be
    /// done before a step. Needs no cluster. Exit 0: no step needs work; 1: one does; 2: not played.
    #[command(
        after_help = "Examples:\n  jeton rehearse --from 1.19 --to 1.25 --profile cce -f manifests/\n  helm template shop | jeton rehearse --from 1.23 --to 1.29 -f - -o json"
    )]
    Rehearse(Rehearse),
    /// Write the completion script of a shell to standard output.
    #[command(after_help = "Example:\n  jeton completion bash > /etc/bash_completion.d/jeton")]
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print a page of the reference that comes from this program itself.
    #[command(hide = true)]
    Reference {
        /// Which page.
        page: Page,
    },
}

/// What to do with a token.
#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Ask the server for a token of an account and print it.
    #[command(
        after_help = "Examples:\n  jeton token create builder\n  jeton token create builder -n ci --audience vault --duration 10m\n  jeton token create builder --bound-object-kind Pod --bound-object-name web"
    )]
    Create(Create),
    /// Explain every claim of a token and what will happen to it. Nothing is sent anywhere.
    #[command(after_help = "Example:\n  jeton token create builder | jeton token inspect")]
    Inspect(Inspect),
    /// Have the server review a token; when it is refused, say by which check. Exit 0: accepted; 1: refused, or not asked.
    #[command(
        after_help = "Example:\n  jeton token review < /var/run/secrets/kubernetes.io/serviceaccount/token"
    )]
    Review(Review),
    /// Revoke one token, at once and until it would have expired. Others of its account stay valid.
    #[command(
        after_help = "Examples:\n  jeton token revoke --reason leaked < token\n  jeton token revoke --jti 0b1c… --until 2026-07-25T10:00:00Z"
    )]
    Revoke(Revoke),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Create {
    /// Name of the service account.
    pub(crate) name: String,
    /// Its namespace. Default: that of the kubeconfig's context, or default.
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// Audience of the token. May be repeated. Default: the server's own.
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Vec<String>,
    /// Lifetime, such as 10m or 1h. Default: the server's, one hour.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub(crate) duration: i64,
    /// Kind of the object the token dies with: Pod, Secret or Node.
    #[arg(long, value_name = "KIND", requires = "bound_object_name")]
    pub(crate) bound_object_kind: Option<String>,
    /// Name of the object the token dies with.
    #[arg(long, value_name = "NAME", requires = "bound_object_kind")]
    pub(crate) bound_object_name: Option<String>,
    /// Uid the object must have.
    #[arg(long, value_name = "UID", requires = "bound_object_kind")]
    pub(crate) bound_object_uid: Option<String>,
    /// The kubeconfig. Default: KUBECONFIG, then ./jeton-data/admin.kubeconfig, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// text: the token alone; json: the whole answer.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Inspect {
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Review {
    /// Audience the token should be for. May be repeated. Default: the server's own.
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) audience: Vec<String>,
    /// The kubeconfig. Default: KUBECONFIG, then ./jeton-data/admin.kubeconfig, then ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
    /// For people or for programs.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Words.
    Text,
    /// JSON.
    Json,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Serve {
    /// Directory of the store, keys and certificates; made on a first start, mode 0700.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) audit: Audit,
    #[command(flatten)]
    pub(crate) emulation: Emulation,
    /// PEM file of the private key that signs tokens: RSA, or EC on P-256, P-384 or P-521, in PKCS#1, PKCS#8 or SEC1.
    /// Default: sa.key in the data directory, an RSA key made on a first start.
    #[arg(long, value_name = "FILE")]
    pub(crate) service_account_signing_key_file: Option<PathBuf>,
    /// PEM file of keys that verify tokens, beside the signing key. May be repeated.
    #[arg(long, value_name = "FILE")]
    pub(crate) service_account_key_file: Vec<PathBuf>,
    /// Issuer of tokens. May be repeated: the first one signs, all are accepted.
    #[arg(long, value_name = "URL", default_value = "https://kubernetes.default.svc")]
    pub(crate) service_account_issuer: Vec<String>,
    /// Audiences of this API itself, separated by commas. Default: the issuers.
    #[arg(long, value_name = "AUDIENCES", value_delimiter = ',')]
    pub(crate) api_audiences: Vec<String>,
    /// Longest lifetime of a token, such as 24h or 5400s; 0: no limit but the API's own.
    #[arg(long, value_name = "DURATION", default_value = "0", value_parser = duration)]
    pub(crate) service_account_max_token_expiration: i64,
    /// Stretch tokens of injected volumes to one year, as kube-apiserver does, so that programs which never read their
    /// token again can be found before they fail. Default: true from version 1.20 on.
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    pub(crate) service_account_extend_token_expiration: Option<bool>,
    /// How long a token that a controller once put into a Secret may be unused until it is marked invalid, and from then
    /// until its Secret is deleted.
    #[arg(long, value_name = "DURATION", default_value = "8760h", value_parser = duration)]
    pub(crate) legacy_service_account_token_clean_up_period: i64,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Up {
    /// Directory of the store, keys and certificates.
    #[arg(long, value_name = "DIR", default_value = "./jeton-data")]
    pub(crate) data_dir: PathBuf,
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) audit: Audit,
    #[command(flatten)]
    pub(crate) emulation: Emulation,
}

/// What every server has.
#[derive(Debug, ClapArgs)]
pub(crate) struct Common {
    /// Address and port to listen on; port 0 takes a free one.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:6443")]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) logging: Logging,
}

/// What everything that runs for long says.
#[derive(Debug, ClapArgs)]
pub(crate) struct Logging {
    /// What to log to standard error: error, warn, info, debug or trace.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub(crate) log_level: tracing::Level,
    /// How logs look.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,
}

/// Reads a duration as Go writes it (`1h30m`, `90s`, `0`) into seconds.
pub(crate) fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no duration: write numbers with h, m or s, such as 1h30m");
    if text == "0" {
        return Ok(0);
    }
    let (mut total, mut rest) = (0_i64, text);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let number: i64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit = match rest.as_bytes()[digits] {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return Err(wrong()),
        };
        let seconds = number.checked_mul(unit).and_then(|s| total.checked_add(s));
        total = seconds.ok_or_else(wrong)?;
        rest = &rest[digits + 1..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, want) in [
            ("0", Some(0)),
            ("24h", Some(86_400)),
            ("1h30m", Some(5400)),
            ("90s", Some(90)),
            ("", None),
            ("5", None),
            ("h", None),
            ("1d", None),
            ("99999999999999999999s", None),
            ("9223372036854775807h", None),
        ] {
            assert_eq!(duration(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
