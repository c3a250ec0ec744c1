//! The arguments.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

use crate::finding::Severity;

/// Finds leaked tokens, decodes them and says which of them somebody else could replay.
#[derive(Debug, Parser)]
#[command(name = "keybound", version, max_term_width = 100, propagate_version = true, disable_help_subcommand = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Scan files and folders for leaked tokens
    Scan(ScanArgs),
    /// Decode and judge one token
    Inspect(InspectArgs),
    /// Print the page of a rule or token family
    Explain(ExplainArgs),
    /// List the rules, or check rule files against their own samples
    Rules(RulesArgs),
    /// Accept today's findings: writes a baseline that scans take into account
    Baseline(BaselineArgs),
    /// Write a pre-commit hook, a workflow and a configuration, where there is none
    Init(InitArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "Exit codes: 0 clean, 1 findings at or above --fail-on, 2 wrong usage or unreadable input, \
3 nothing was scanned, 130 interrupted.")]
pub(super) struct ScanArgs {
    /// Files and folders; `-` reads standard input
    #[arg(default_value = ".", value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Scan what git is about to commit, as it stands in the index
    #[arg(long, conflicts_with = "history")]
    pub(super) staged: bool,
    /// Scan all that git ever held, or what a range of commits brought (main..topic)
    #[arg(long, value_name = "RANGE", num_args = 0..=1)]
    pub(super) history: Option<Option<String>>,
    /// Only these audits; else all
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) audit: Vec<Audit>,
    /// Report format, with a file to write it to: pretty, json, jsonl, sarif, github, html, markdown; may be given
    /// several times
    #[arg(long, value_name = "FMT[=FILE]", default_value = "pretty")]
    pub(super) format: Vec<String>,
    /// The lowest severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", value_parser = severity, default_value = "low")]
    pub(super) fail_on: Severity,
    /// Exit with 0 whatever is found
    #[arg(long)]
    pub(super) exit_zero: bool,
    /// The lowest severity that the pretty, github and markdown reports list
    #[arg(long, value_name = "SEVERITY", value_parser = severity, default_value = "low")]
    pub(super) show: Severity,
    /// The time to judge by, for reproducible audits
    #[arg(long, value_name = "RFC3339")]
    pub(super) now: Option<jiff::Timestamp>,
    /// Configuration file (else keybound.toml or .github/keybound.toml, from the scanned folder upwards)
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,
    /// Take nothing from what is scanned that could weaken the scan: no configuration file, no baseline but one that
    /// is named, no .keyboundignore, no `keybound: ignore` comments
    #[arg(long)]
    pub(super) no_config: bool,
    /// Accepted findings (else .keybound-baseline.json in the scanned folder)
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// Folder with further token families (*.yaml)
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Vec<PathBuf>,
    /// Secrets to try on HS256, HS384 and HS512 signatures after the built-in list, one a line
    #[arg(long, value_name = "FILE")]
    pub(super) weak_secrets: Option<PathBuf>,
    /// Also read what .gitignore leaves out
    #[arg(long)]
    pub(super) no_ignore: bool,
    /// Number of threads (default: one a processor)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(super) threads: Option<u16>,
    /// When to colour the output
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(super) color: When,
}

#[derive(Debug, ClapArgs)]
pub(super) struct BaselineArgs {
    /// Files and folders
    #[arg(default_value = ".", value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Why these findings are accepted
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) reason: String,
    /// The last day on which they are: 2027-01-31, 90d, or never
    #[arg(long, value_name = "WHEN", default_value = "90d")]
    pub(super) expires: String,
    /// The baseline (default: .keybound-baseline.json in the scanned folder); one that is there is renewed
    #[arg(long, short, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// The time to judge by
    #[arg(long, value_name = "RFC3339")]
    pub(super) now: Option<jiff::Timestamp>,
    /// Configuration file (else keybound.toml or .github/keybound.toml, from the scanned folder upwards)
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub(super) config: Option<PathBuf>,
    /// Read no configuration, no .keyboundignore and no `keybound: ignore` comments
    #[arg(long)]
    pub(super) no_config: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct InitArgs {
    /// The top folder of the repository
    #[arg(default_value = ".", value_name = "PATH")]
    pub(super) path: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(super) struct InspectArgs {
    /// The token; `-` or nothing reads it from standard input, which keeps it out of the shell history
    #[arg(default_value = "-", value_name = "TOKEN", hide_default_value = true)]
    pub(super) token: String,
    /// Print the record as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// The time to judge by
    #[arg(long, value_name = "RFC3339")]
    pub(super) now: Option<jiff::Timestamp>,
    /// Folder with further token families (*.yaml)
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Vec<PathBuf>,
    /// Secrets to try on HS256, HS384 and HS512 signatures after the built-in list, one a line
    #[arg(long, value_name = "FILE")]
    pub(super) weak_secrets: Option<PathBuf>,
    /// When to colour the output
    #[arg(long, value_enum, default_value_t = When::Auto)]
    pub(super) color: When,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ExplainArgs {
    /// The rule or family, such as jwt-unbound
    #[arg(value_name = "RULE")]
    pub(super) rule: String,
    /// Print Markdown
    #[arg(long)]
    pub(super) markdown: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RulesArgs {
    #[command(subcommand)]
    pub(super) command: RulesCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// List all rules and token families
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Render the rule pages as Markdown: a page a rule, a page an issuer, and an index
    Docs {
        /// Folder to write them to; pages of rules that are gone are taken out of it
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// Also renew the table of issuers in this Markdown file, between its two marks
        #[arg(long, value_name = "FILE")]
        table: Option<PathBuf>,
    },
    /// Print lines for rules/known-examples.txt: the hashes of the tokens in these files that it does not have yet
    #[command(hide = true)]
    Known(KnownArgs),
    /// Check token family files against their own hits and misses (default: the built-in ones)
    Check {
        /// Files, or folders of *.yaml
        #[arg(value_name = "PATH")]
        paths: Vec<PathBuf>,
    },
}

#[derive(Debug, ClapArgs)]
pub(super) struct KnownArgs {
    /// Where they were published, as reports name it
    #[arg(long, value_name = "NAME")]
    pub(super) source: String,
    /// Of JWTs the hash of the claims: they are known under any signature
    #[arg(long)]
    pub(super) resigned: bool,
    /// Files with published examples
    #[arg(value_name = "FILE", required = true)]
    pub(super) paths: Vec<PathBuf>,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Audit {
    /// Leaked tokens and private keys
    Token,
    /// Gateway configurations that strip, forge or log the proof
    Gateway,
    /// Issuers whose tokens live long or are bound to no key
    Issuer,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum When {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

impl From<When> for anstream::ColorChoice {
    fn from(when: When) -> Self {
        match when {
            When::Auto => Self::Auto,
            When::Always => Self::Always,
            When::Never => Self::Never,
        }
    }
}

fn severity(word: &str) -> Result<Severity, String> {
    Severity::from_word(word).ok_or_else(|| "one of critical, high, medium, low, info".to_owned())
}
