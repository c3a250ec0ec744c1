//! The command line: one file a subcommand. Findings go to standard output, everything else to standard error, and
//! nothing that was typed or read is echoed without being redacted.

mod args;
mod baseline;
mod explain;
mod init;
mod inspect;
mod known;
mod rules;
mod scan;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::{CommandFactory as _, Parser as _};

use crate::rules::Catalogue;
use crate::token::engine::Engine;
use crate::token::redact::redact;

/// Exit codes.
mod code {
    /// Nothing at or above the threshold.
    pub(super) const CLEAN: u8 = 0;
    /// Findings at or above the threshold.
    pub(super) const FINDINGS: u8 = 1;
    /// Wrong usage, or something could not be read or written.
    pub(super) const ERROR: u8 = 2;
    /// There was nothing to scan.
    pub(super) const NOTHING: u8 = 3;
    /// Ended by Ctrl-C, as shells have it.
    pub(super) const INTERRUPTED: u8 = 130;
}

/// Why a command ends without a result.
enum Failure {
    /// A message for standard error.
    Message(String),
    /// The reader of our output went away: nothing to say, and nobody to say it to.
    Pipe,
}

impl Failure {
    fn message(text: impl Into<String>) -> Self {
        Self::Message(text.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Pipe } else { Self::Message(error.to_string()) }
    }
}

/// Runs the command line and returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    // A panic message may quote what was being read; say only where it happened.
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let _ = writeln!(io::stderr(), "keybound: internal error{place}; please report it");
    }));
    let args = match args::Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => return usage(&error),
    };
    let result = match args.command {
        args::Command::Scan(scan) => scan::run(&scan),
        args::Command::Inspect(inspect) => inspect::run(&inspect),
        args::Command::Explain(explain) => explain::run(&explain),
        args::Command::Rules(rules) => rules::run(&rules),
        args::Command::Baseline(baseline) => baseline::run(&baseline),
        args::Command::Init(init) => init::run(&init),
        args::Command::Completions { shell } => completions(shell),
        args::Command::Man => man(),
    };
    match result {
        Ok(code) => code,
        Err(Failure::Pipe) => code::CLEAN,
        Err(Failure::Message(text)) => {
            complain(&text);
            code::ERROR
        }
    }
}

fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut args::Args::command(), "keybound", &mut text);
    io::stdout().write_all(&text)?;
    Ok(code::CLEAN)
}

/// One page: the command with all its subcommands.
fn man() -> Result<u8, Failure> {
    let mut text = Vec::new();
    let command = args::Args::command();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let name = format!("keybound {}", subcommand.get_name());
        let page = clap_mangen::Man::new(subcommand.clone().bin_name(name.clone()));
        writeln!(text, ".SH \"{}\"", name.to_uppercase())?;
        page.render_description_section(&mut text)?;
        page.render_options_section(&mut text)?;
    }
    io::stdout().write_all(&text)?;
    Ok(code::CLEAN)
}

/// Prints clap's own message; what it quotes of the arguments may hold a token.
fn usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let _ = error.print();
        return code::CLEAN;
    }
    let text = error.render().to_string();
    let _ = writeln!(io::stderr(), "{}", redact_lines(&text));
    code::ERROR
}

fn redact_lines(text: &str) -> String {
    let Ok(catalogue) = Catalogue::embedded() else { return "wrong usage; see --help".to_owned() };
    let engine = Engine::new(catalogue);
    text.trim_end().lines().map(|line| redact(&engine, line)).collect::<Vec<_>>().join("\n")
}

/// A message on standard error.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "keybound: {}", redact_lines(text));
}
