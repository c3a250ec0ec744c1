//! From cases to a plan, and from what was observed back to values.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use keybound::gateway::files::{Files, Text};
use keybound::gateway::hop::{Hop, PathMatch, Protocol};
use keybound::origin::Origin;
use regex_syntax::hir::{Class, Hir, HirKind};
use serde::{Deserialize, Serialize};

use crate::products::Product;

/// The files of a configuration, by their paths in it.
pub(crate) type Folder = BTreeMap<String, Vec<u8>>;

/// How many requests of one kind of client are sent to one configuration.
const MAX_PROBES: usize = 24;

/// Headers that every request has, or that belong to the connection.
const NOT_FORGED: &[&str] = &[
    "host",
    "authorization",
    "dpop",
    "connection",
    "upgrade",
    "te",
    "expect",
    "transfer-encoding",
    "content-length",
    "content-type",
    "x-kb-other",
    "x-forwarded-for",
    "forwarded",
    "via",
    "keep-alive",
    "proxy-connection",
    "accept",
    "accept-encoding",
    "user-agent",
    "cookie",
    "date",
    "trailer",
];

/// The files below a folder, without what a test expects of it.
pub(crate) fn read(folder: &Path) -> Folder {
    let mut files = Folder::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name() != "expected" {
                let name = path.strip_prefix(folder).expect("below it").to_string_lossy().replace('\\', "/");
                files.insert(name, fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

/// One configuration that is run.
pub(crate) struct Run {
    pub(crate) product: &'static Product,
    case: String,
    /// 0 for the case itself.
    pub(crate) mutant: usize,
    pub(crate) hops: Vec<Hop>,
    pub(crate) headers: BTreeSet<String>,
    probes: Vec<Probe>,
    folder: PathBuf,
}

impl Run {
    pub(crate) fn new(
        product: &'static Product,
        case: &str,
        mutant: usize,
        files: &Folder,
        scratch: &Path,
        number: usize,
    ) -> Self {
        let folder = scratch.join(number.to_string());
        let mut texts = Vec::new();
        for (name, bytes) in files {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(&path, bytes).expect("a file");
            texts.push(Text::new(Arc::new(Origin::file(name.clone().into())), bytes.clone()));
        }
        let files = Files::new(texts);
        let lowered = keybound::gateway::lower(&files);
        let own = lowered.into_iter().filter(|(front_end, _)| product.chain || front_end.product() == product.name);
        let (mut hops, mut headers) = (Vec::new(), BTreeSet::new());
        for (_, configuration) in own {
            headers.extend(configuration.trusted);
            hops.extend(configuration.hops);
        }
        if product.chain {
            // The hops by themselves name the headers, the ways as a whole are what is compared.
            headers
                .extend(hops.iter().flat_map(Hop::requests).flat_map(|(_, request)| request.headers.keys().cloned()));
            hops = keybound::gateway::ways(&files);
        }
        for hop in &hops {
            headers.extend(hop.carriers.iter().map(|carrier| carrier.header.clone()));
            headers.extend(hop.requests().flat_map(|(_, request)| request.headers.keys().cloned()));
        }
        headers.retain(|name| !NOT_FORGED.contains(&name.as_str()) && !name.contains(['_', ':']));
        let mut probes: Vec<Probe> = Vec::new();
        for probe in hops.iter().flat_map(Probe::of) {
            if !probes.contains(&probe) && probes.len() < MAX_PROBES {
                probes.push(probe);
            }
        }
        Self { product, case: case.to_owned(), mutant, hops, headers, probes, folder }
    }

    pub(crate) fn id(&self) -> String {
        format!("{}#{}", self.case, self.mutant)
    }

    /// The texts of a mutant, for a report of what went wrong with it.
    pub(crate) fn changed(&self) -> String {
        let mut text = String::new();
        if self.mutant > 0 {
            for (name, bytes) in read(&self.folder) {
                let _ = write!(text, "--- {name}\n{}", String::from_utf8_lossy(&bytes));
            }
        }
        text
    }
}

/// A request's target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) port: u16,
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) path: String,
}

impl Probe {
    fn of(hop: &Hop) -> Vec<Self> {
        let tls = hop.listener.tls || hop.upstream.protocol == Protocol::Passthrough;
        let host = hop.listener.hosts.first().map_or("api.example.com".to_owned(), |host| host.replace('*', "kb"));
        let path = match &hop.route.path {
            PathMatch::Exact(path) => path.clone(),
            PathMatch::Prefix(prefix) if prefix.ends_with('/') => format!("{prefix}probe-7"),
            PathMatch::Prefix(prefix) => format!("{prefix}/probe-7"),
            PathMatch::Pattern(pattern) => example(pattern).unwrap_or_else(|| "/probe-7".to_owned()),
            PathMatch::Any | PathMatch::Other => "/probe-7".to_owned(),
        };
        let probe = |port: &u16| Self { port: *port, tls, host: host.clone(), path: path.clone() };
        hop.listener.ports.iter().map(probe).collect()
    }
}

/// A path that fits a pattern.
fn example(pattern: &str) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    write_example(&hir, &mut text);
    let path = if text.starts_with('/') { text } else { format!("/kb{text}") };
    regex::Regex::new(pattern).ok()?.is_match(&path).then_some(path)
}

fn write_example(hir: &Hir, text: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => {
            let plain = match class {
                Class::Unicode(class) => class.ranges().iter().find_map(|range| {
                    ['a', '1', '/']
                        .into_iter()
                        .find(|c| (range.start()..=range.end()).contains(c))
                        .or(Some(range.start()))
                }),
                Class::Bytes(class) => class.ranges().first().map(|range| char::from(range.start())),
            };
            text.extend(plain);
        }
        HirKind::Repetition(repetition) => {
            for _ in 0..repetition.min.min(20) {
                write_example(&repetition.sub, text);
            }
        }
        HirKind::Capture(capture) => write_example(&capture.sub, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write_example(part, text)),
        HirKind::Alternation(ways) => ways.iter().take(1).for_each(|way| write_example(way, text)),
    }
}

#[derive(Serialize)]
struct Planned<'a> {
    id: String,
    product: &'a str,
    folder: &'a Path,
    probes: &'a [Probe],
    headers: &'a BTreeSet<String>,
}

/// What was seen.
#[derive(Debug, Deserialize)]
pub(crate) struct Observations {
    pub(crate) certificates: BTreeMap<String, Certificate>,
    pub(crate) runs: Vec<Seen>,
}

/// What can be said of a certificate.
#[derive(Debug, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) der: String,
    pub(crate) sha256: String,
    pub(crate) sha1: String,
    pub(crate) serial: String,
}

/// What was seen of one configuration.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) started: bool,
    #[serde(default)]
    pub(crate) error: String,
    pub(crate) failed: Option<String>,
    #[serde(default)]
    pub(crate) exchanges: Vec<Exchange>,
}

/// A request, and what became of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) probe: Probe,
    pub(crate) client: String,
    pub(crate) status: Option<u16>,
    pub(crate) sent: Vec<(String, String)>,
    pub(crate) seen: Vec<Arrived>,
    pub(crate) logged: BTreeSet<String>,
}

/// A request at a backend.
#[derive(Debug, Deserialize)]
pub(crate) struct Arrived {
    pub(crate) port: u16,
    pub(crate) protocol: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) certificate: Option<String>,
}

impl Observations {
    /// Has the gateways run.
    pub(crate) fn make(runs: &[Run], scratch: &Path, script: &Path) -> Self {
        let planned: Vec<_> = runs
            .iter()
            .map(|run| Planned {
                id: run.id(),
                product: run.product.name,
                folder: &run.folder,
                probes: &run.probes,
                headers: &run.headers,
            })
            .collect();
        let (plan, seen) = (scratch.join("plan.json"), scratch.join("observations.json"));
        let json = serde_json::json!({ "runs": planned });
        fs::write(&plan, json.to_string()).expect("the plan is written");
        let jobs = std::thread::available_parallelism().map_or(2, |cores| cores.get() + 1);
        let status = Command::new("python3")
            .arg("-B")
            .args([script, &plan, &seen])
            .arg(jobs.to_string())
            .status()
            .expect("python3 runs");
        assert!(status.success(), "the gateways could not be observed: {status}");
        let text = fs::read_to_string(&seen).expect("observations");
        serde_json::from_str(&text).expect("observations in the form of README.md")
    }
}
