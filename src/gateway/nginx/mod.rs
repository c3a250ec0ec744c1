//! nginx: `nginx.conf` with what it includes, parts of it, and what `nginx -T` prints.
//!
//! What decides: settings of a kind at one level take the place of all that would be inherited; an empty value removes
//! a header, the client's own copy too; variables of the certificate are empty where there is none; error pages for bad
//! certificates (495, 496) may lead to an upstream. See the modules `ngx_http_proxy_module` and `ngx_http_ssl_module` of
//! nginx's documentation.

mod input;
mod logs;
mod lower;
mod names;
mod request;
mod run;
mod site;
mod stream;
mod tree;
mod value;
mod words;
mod world;

use std::collections::{BTreeMap, BTreeSet};

use super::files::Files;
use super::hop::{Cause, Hop};
use super::rule::Rule;
use super::trusted::trusted;
use super::{Configuration, Detail, FrontEnd, Hole};
use crate::config::written::Written;
use crate::syntax::directives;
pub(super) use names::certificate;
use tree::{Loader, Node, Tree};

/// nginx.
#[derive(Debug)]
pub struct Nginx;

/// So many bytes are read to tell whether a text is configuration.
const FIRST_BYTES: usize = 64 * 1024;

impl FrontEnd for Nginx {
    fn product(&self) -> &'static str {
        "nginx"
    }

    fn recognises(&self, _name: &str, text: &str) -> bool {
        if !first_word(text).is_some_and(names::is_directive) {
            return false;
        }
        let end = text.len().min(FIRST_BYTES);
        let end = (0..=end).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let document = directives::read(text, (0, end));
        let known = document.directives.iter().filter(|one| names::is_directive(&one.name.text)).count();
        let holes = document.holes.iter().filter(|hole| !hole.template).count();
        // What breaks off at the end is no fault of the text.
        known > 0 && known * 3 >= document.directives.len() * 2 && holes <= 1 + known / 4
    }

    fn lower(&self, files: &Files, own: &[u32]) -> Vec<Configuration> {
        let mut loader = Loader::new(files);
        let included: BTreeSet<u32> = own.iter().flat_map(|file| loader.includes(*file)).collect();
        let mut configurations = Vec::new();
        // Parts of one `http` that lie side by side belong together.
        let mut parts: BTreeMap<String, Vec<Tree>> = BTreeMap::new();
        for file in own {
            let outermost = loader.outermost(*file);
            let main = outermost.directives.iter().any(|one| matches!(one.name.text.as_str(), "http" | "stream"));
            if included.contains(file) && !main {
                continue;
            }
            let tree = loader.load(*file);
            if main || lower::is_server(&tree.nodes) {
                configurations.push(configuration(tree));
            } else {
                parts.entry(together(files.get(*file).path(), *file)).or_default().push(tree);
            }
        }
        for trees in parts.into_values() {
            let mut whole = Tree::default();
            for mut tree in trees {
                whole.nodes.append(&mut tree.nodes);
                whole.files.append(&mut tree.files);
                whole.holes.append(&mut tree.holes);
                whole.partial |= tree.partial;
            }
            whole.files.sort_unstable();
            whole.files.dedup();
            configurations.push(configuration(whole));
        }
        configurations
    }

    fn reason(&self, rule: Rule, cause: Cause) -> &'static str {
        words::reason(rule, cause)
    }

    fn reason_in_detail(&self, rule: Rule, cause: Cause, detail: Detail) -> &'static str {
        words::reason_in_detail(rule, cause, detail)
    }

    fn fix(&self, rule: Rule, cause: Cause, header: Option<&str>) -> String {
        words::fix(rule, cause, header)
    }
}

/// What a text of the level `http` does that a controller has written from objects of Kubernetes: its ways, and what
/// could not be read.
pub(super) fn written(text: &Written) -> (Vec<Hop>, Vec<Hole>) {
    let (nodes, holes) = tree::written(text);
    (lower::hops(&site::read(&nodes, false)), holes)
}

/// The first word that is neither a comment nor a part of a template.
fn first_word(text: &str) -> Option<&str> {
    let line = text.lines().map(str::trim_start).find(|line| {
        !(line.is_empty() || ["#", "{{", "{%", "{#", "<%", "\u{feff}#"].iter().any(|start| line.starts_with(start)))
    })?;
    let line = line.trim_start_matches('\u{feff}');
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(line.len());
    Some(&line[..end])
}

/// What files are read as one with: their folder, where all files of it are usually included; otherwise nothing.
fn together(path: &str, file: u32) -> String {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let name = folder.rsplit('/').next().unwrap_or_default();
    match name {
        "conf.d" | "sites-enabled" | "http.d" | "vhosts.d" | "vhosts" | "servers" | "http-conf.d" => folder.to_owned(),
        _ => format!("{folder}\0{file}"),
    }
}

fn configuration(tree: Tree) -> Configuration {
    let mut hops = Vec::new();
    let block = |name: &str| -> Vec<&Node> { tree.nodes.iter().filter(|node| node.name == name).collect() };
    let whole = block("http");
    let mut complete = !tree.partial;
    for http in &whole {
        hops.extend(lower::hops(&site::read(http.inner(), true)));
    }
    for inner in block("stream") {
        stream::hops(inner.inner(), &mut hops);
    }
    if whole.is_empty() {
        if lower::is_server(&tree.nodes) {
            complete = false;
            hops.extend(lower::hops(&site::detached(&tree.nodes)));
        } else if block("server").iter().any(|server| server.inner().iter().any(|node| node.name == "proxy_pass")) {
            stream::hops(&tree.nodes, &mut hops);
        } else {
            hops.extend(lower::hops(&site::read(&tree.nodes, false)));
        }
    }
    let trusted = trusted(&hops);
    Configuration { files: tree.files, hops, holes: tree.holes, trusted, complete }
}
