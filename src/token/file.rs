//! What a file's name says about what stands in it: where its bytes come from, how its lines are to be read, and
//! whether it is the place where a tool keeps the tokens it got. Worked out once a file, from the name alone; what the
//! first bytes add is in [`Nature::with_head`].

use super::cache::Cache;
use super::fault::Fault;

/// What is known of a file before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nature {
    /// How its lines name tokens.
    pub form: Form,
    /// Where tokens in it have got to.
    pub spread: Option<Spread>,
    /// Whose token cache it is.
    pub cache: Option<Cache>,
    /// URLs with credentials are looked for.
    pub(super) urls: bool,
}

/// How the lines of a file name tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// As anywhere.
    #[default]
    Plain,
    /// Variables: whatever is called a token is one.
    Variables,
    /// Commands, as in a shell's history.
    Commands,
    /// What an image is built from.
    Dockerfile,
    /// What an agent's tools are configured with.
    Agent,
    /// A structured file in which an agent's tools may be configured.
    Structured,
    /// `.npmrc`
    Npmrc,
    /// `.yarnrc.yml`
    Yarnrc,
    /// `.netrc`
    Netrc,
    /// `.pypirc`
    Pypirc,
    /// `.condarc`, `environment.yml`
    Conda,
    /// `nuget.config`
    Nuget,
    /// `auth.json` of Composer and of container tools, `config.json` of Docker
    AuthJson,
    /// Nothing but a token.
    Token,
    /// A notebook: what was run and what came of it.
    Notebook,
}

/// Where tokens in a file have got to, apart from the place that needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spread {
    /// A log.
    Log,
    /// A mail or a ticket.
    Ticket,
    /// The history of a shell or another prompt.
    History,
    /// A recording of requests, the output of a notebook, the state of a deployment: made to be handed on.
    Artifact,
    /// A layer of an image.
    ImageLayer,
    /// The memory of a process.
    CoreDump,
}

impl Spread {
    /// The fault of a token that is found there.
    pub const fn fault(self) -> Fault {
        match self {
            Self::Log => Fault::InLog,
            Self::Ticket => Fault::InTicket,
            Self::History => Fault::InHistory,
            Self::Artifact => Fault::InArtifact,
            Self::ImageLayer => Fault::InImageLayer,
            Self::CoreDump => Fault::InCoreDump,
        }
    }
}

/// Files in which prompts keep what was typed.
const HISTORIES: &[&str] = &[
    ".bash_history",
    ".zsh_history",
    ".zhistory",
    ".histfile",
    ".sh_history",
    ".ash_history",
    ".ksh_history",
    ".history",
    "fish_history",
    "consolehost_history.txt",
    ".python_history",
    ".node_repl_history",
    ".irb_history",
    ".irb-history",
    ".psql_history",
    ".mysql_history",
    ".sqlite_history",
    ".rediscli_history",
    ".dbshell",
    ".mongorc_history",
];

/// Files in which agents look for their tools, whatever folder they lie in.
const AGENT_FILES: &[&str] = &[
    ".mcp.json",
    "mcp.json",
    "mcp.jsonc",
    "mcp_config.json",
    "mcp-config.json",
    "mcp_settings.json",
    "mcp-settings.json",
    "mcp_servers.json",
    "mcp-servers.json",
    "cline_mcp_settings.json",
    "claude_desktop_config.json",
];

impl Nature {
    /// For looking at a file whose name is not known yet: whatever is found in a file whose nature
    /// [is shown by it](Self::is_shown_unnamed) makes itself felt here, too, if not as the same.
    pub const UNNAMED: Self = Self { form: Form::Structured, spread: None, cache: None, urls: true };

    /// Whether nothing can be found under this nature where [`UNNAMED`](Self::UNNAMED) gives nothing at all. Structured
    /// files are read like plain ones, less strictly; where a token has got to only matters once there is one.
    pub fn is_shown_unnamed(&self) -> bool {
        matches!(self.form, Form::Plain | Form::Structured) && self.cache.is_none()
    }

    /// What the path says; `/` parts folders.
    pub fn of(path: &str) -> Self {
        // Archives in archives are joined with `!/`.
        let inner = path.rsplit("!/").next().unwrap_or(path);
        let lower = inner.to_ascii_lowercase();
        let mut file = lower.rsplit('/').next().unwrap_or(&lower);
        for packed in [".gz", ".zst", ".xz", ".bz2", ".bak", ".old", ".orig", ".save"] {
            file = file.strip_suffix(packed).unwrap_or(file);
        }
        let folders = &lower[..lower.len() - lower.rsplit('/').next().unwrap_or_default().len()];
        let within = |folder: &str| folders.split('/').any(|part| part == folder);
        let below =
            |tail: &str| folders.strip_suffix('/').is_some_and(|f| f == tail || f.ends_with(&format!("/{tail}")));
        let extension = file.rsplit_once('.').map_or("", |(stem, extension)| {
            // access.log.3, app.log-20260227
            let rotated = extension.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            if rotated { stem.rsplit_once('.').map_or("", |(_, before)| before) } else { extension }
        });
        let form = form(file, extension, &within, &below);
        let spread = if path.contains("layer.tar!/") || path.contains("blobs/sha256/") {
            Some(Spread::ImageLayer)
        } else {
            spread(file, extension, form, &within)
        };
        let urls = !matches!(spread, Some(Spread::Log | Spread::CoreDump)) && holds_urls(file, extension, form);
        Self { form, spread, cache: Cache::of(file, folders), urls }
    }

    /// What the first bytes of the file add.
    pub fn with_head(mut self, head: &[u8]) -> Self {
        let core = head.len() > 18 && head.starts_with(b"\x7fELF") && head[16..18].contains(&4);
        if core || head.starts_with(b"MDMP") || head.starts_with(b"JAVA PROFILE 1.") {
            self.spread = Some(Spread::CoreDump);
        }
        self
    }
}

fn form(file: &str, extension: &str, within: &dyn Fn(&str) -> bool, below: &dyn Fn(&str) -> bool) -> Form {
    match file {
        ".npmrc" | "npmrc" => return Form::Npmrc,
        ".yarnrc.yml" => return Form::Yarnrc,
        ".netrc" | "_netrc" => return Form::Netrc,
        ".pypirc" => return Form::Pypirc,
        ".condarc" | "condarc" | "environment.yml" | "environment.yaml" => return Form::Conda,
        "nuget.config" => return Form::Nuget,
        "auth.json" | ".dockercfg" | ".dockerconfigjson" => return Form::AuthJson,
        "config.json" if within(".docker") || within("docker") => return Form::AuthJson,
        ".vault-token" => return Form::Token,
        "token" if within("serviceaccount") || within("kubernetes.io") => return Form::Token,
        "environ" | ".envrc" | "environment" => return Form::Variables,
        "compose.yaml" | "compose.yml" => return Form::Variables,
        "values.yaml" | "values.yml" | ".gitlab-ci.yml" => return Form::Variables,
        _ => {}
    }
    let docker = ["dockerfile", "containerfile"];
    if docker.iter().any(|name| file == *name || extension == *name || file.starts_with(&format!("{name}."))) {
        return Form::Dockerfile;
    }
    if HISTORIES.contains(&file) {
        return Form::Commands;
    }
    if AGENT_FILES.contains(&file) || (file == "config.yaml" && below("goose")) {
        return Form::Agent;
    }
    let environment = file == ".env" || file.starts_with(".env.") || file.starts_with("docker-compose.");
    let ansible = within("group_vars") || within("host_vars");
    match extension {
        "env" | "tfvars" | "tfstate" | "service" => Form::Variables,
        "json" if file.ends_with(".tfvars.json") || file.ends_with(".postman_environment.json") => Form::Variables,
        _ if environment || file.ends_with(".tfstate.backup") || ansible => Form::Variables,
        "sh" | "bash" | "zsh" | "fish" | "ps1" => Form::Commands,
        "json" | "jsonc" | "toml" | "yaml" | "yml" => Form::Structured,
        "ipynb" => Form::Notebook,
        _ => Form::Plain,
    }
}

fn spread(file: &str, extension: &str, form: Form, within: &dyn Fn(&str) -> bool) -> Option<Spread> {
    let recorded = ["cassettes", "vcr_cassettes", "__recordings__", "recordings"];
    match extension {
        _ if HISTORIES.contains(&file) => Some(Spread::History),
        "log" => Some(Spread::Log),
        "jsonl" | "ndjson" | "txt" | "out" | "" if within("log") || within("logs") => Some(Spread::Log),
        "eml" | "mbox" | "msg" => Some(Spread::Ticket),
        "har" | "saz" => Some(Spread::Artifact),
        "tfstate" => Some(Spread::Artifact),
        _ if file.ends_with(".tfstate.backup") => Some(Spread::Artifact),
        "yml" | "yaml" | "json" if recorded.iter().any(|folder| within(folder)) => Some(Spread::Artifact),
        "hprof" | "dmp" | "core" => Some(Spread::CoreDump),
        _ if file.strip_prefix("core.").is_some_and(|pid| pid.bytes().all(|b| b.is_ascii_digit())) => {
            Some(Spread::CoreDump)
        }
        _ if file == "environ" && within("proc") => Some(Spread::CoreDump),
        _ if form == Form::Dockerfile => Some(Spread::ImageLayer),
        _ => None,
    }
}

/// Whether URLs in such a file may hold credentials that somebody wrote down. Logs are too full of URLs to look at each.
fn holds_urls(file: &str, extension: &str, form: Form) -> bool {
    !matches!(form, Form::Plain | Form::Token)
        || matches!(
            extension,
            "py" | "js"
                | "ts"
                | "rb"
                | "go"
                | "java"
                | "kt"
                | "php"
                | "cs"
                | "rs"
                | "swift"
                | "pl"
                | "ex"
                | "lua"
                | "ini"
                | "cfg"
                | "conf"
                | "config"
                | "properties"
                | "xml"
                | "gradle"
                | "tf"
                | "hcl"
                | "http"
                | "rest"
                | "bat"
                | "cmd"
                | "md"
                | "txt"
                | "ipynb"
                | "har"
                | "bru"
                | "lock"
                | "repo"
                | "list"
        )
        || matches!(
            file,
            "makefile" | "gemfile" | "pipfile" | "jenkinsfile" | ".git-credentials" | ".gitconfig" | ".gitmodules"
        )
        || (matches!(file, "config" | "pip" | "hosts"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_by_name() {
        for (path, form) in [
            ("a/.npmrc", Form::Npmrc),
            (".NETRC", Form::Netrc),
            ("x/Dockerfile", Form::Dockerfile),
            ("x/Dockerfile.prod", Form::Dockerfile),
            ("x/app.dockerfile", Form::Dockerfile),
            (".env.local", Form::Variables),
            ("prod.auto.tfvars", Form::Variables),
            ("home/.docker/config.json", Form::AuthJson),
            ("app/config.json", Form::Structured),
            (".cursor/mcp.json", Form::Agent),
            ("home/.config/goose/config.yaml", Form::Agent),
            ("home/.zsh_history", Form::Commands),
            ("backup.tar!/root/.bash_history", Form::Commands),
            ("main.rs", Form::Plain),
            ("", Form::Plain),
        ] {
            assert_eq!(Nature::of(path).form, form, "{path}");
        }
    }

    #[test]
    fn where_tokens_have_got_to() {
        for (path, spread) in [
            ("a/app.log", Some(Spread::Log)),
            ("a/app.log.12", Some(Spread::Log)),
            ("a/app.log.3.gz", Some(Spread::Log)),
            ("logs/http.jsonl", Some(Spread::Log)),
            ("data/http.jsonl", None),
            ("home/.bash_history", Some(Spread::History)),
            ("a.har", Some(Spread::Artifact)),
            ("spec/cassettes/x.yml", Some(Spread::Artifact)),
            ("terraform.tfstate", Some(Spread::Artifact)),
            ("terraform.tfstate.backup", Some(Spread::Artifact)),
            ("core.4711", Some(Spread::CoreDump)),
            ("core.rs", None),
            ("proc/12/environ", Some(Spread::CoreDump)),
            ("Dockerfile", Some(Spread::ImageLayer)),
            ("image.tar!/abc/layer.tar!/app/config.yml", Some(Spread::ImageLayer)),
            ("catalogue.log.md", None),
            ("src/main.rs", None),
        ] {
            assert_eq!(Nature::of(path).spread, spread, "{path}");
        }
        let dump = Nature::of("a.bin").with_head(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x04\0>\0");
        assert_eq!(dump.spread, Some(Spread::CoreDump));
        let program = Nature::of("a.bin").with_head(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0>\0");
        assert_eq!(program.spread, None);
    }
}
