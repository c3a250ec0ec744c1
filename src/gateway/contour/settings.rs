//! What Contour's own configuration says for all proxies, as an object or as a file in a `ConfigMap`.

use super::{GROUP, World};
use crate::config::graft::{Graft, Piece};
use crate::config::helm;
use crate::config::kubernetes::{self, Manifests, Object, Objects};
use crate::gateway::Configuration;
use crate::gateway::envoy::made::{self, Action, Edge, Headers};
use crate::gateway::files::Files;
use crate::gateway::tree::At;
use crate::syntax::yaml::Node;

/// The configurations, read.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    objects: Vec<At<'a>>,
    /// Files within objects.
    texts: Vec<(u32, Node)>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct One<'a> {
    pub(super) file: u32,
    at: At<'a>,
    /// As an object.
    object: bool,
}

impl<'a> Settings<'a> {
    pub(super) fn read(files: &Files, manifests: &'a Manifests, objects: &Objects<'a>) -> Self {
        let kinds = ["ContourConfiguration", "ContourDeployment"];
        let of_kind = kinds.iter().flat_map(|kind| objects.of_kind(GROUP, kind)).filter_map(|object| {
            let spec = object.spec()?;
            Some(spec.get("runtimeSettings").unwrap_or(spec))
        });
        let maps = objects.of_kind(&[""], "ConfigMap").filter_map(|object| object.at.get("data"));
        let texts = maps
            .filter_map(|data| data.entries().find(|(key, _)| *key == "contour.yaml"))
            .filter_map(|(_, at)| Some((at.file, kubernetes::inner_tree(files, at)?)));
        let charts = manifests.roots().flat_map(helm::values).filter_map(|values| values.get("configInline"));
        let texts = texts.chain(charts.map(|at| (at.file, at.node.clone())));
        Self { objects: of_kind.collect(), texts: texts.collect() }
    }

    /// Those that may be in force for a file.
    pub(super) fn around(&'a self, world: &World<'a>, file: u32) -> Vec<One<'a>> {
        self.all().filter(|one| world.objects.sees(file, one.file)).collect()
    }

    fn all(&self) -> impl Iterator<Item = One<'_>> {
        let texts = self.texts.iter().map(|(file, node)| One { file: *file, at: At::root(*file, node), object: false });
        self.objects.iter().map(|at| One { file: at.file, at: *at, object: true }).chain(texts)
    }

    /// What they say by themselves, where no proxy is in sight.
    pub(super) fn alone(&'a self, world: &World<'a>, roots: &[Object<'a>]) -> Vec<Configuration> {
        let graft = &world.graft;
        let loose = self.all().filter(|one| !roots.iter().any(|root| world.objects.sees(root.at.file, one.file)));
        let lowered = loose.filter_map(|one| {
            let logs = one.logs(graft);
            let from = logs.first().map(|_| one.at)?;
            let host = made::everything(graft, from, "any service");
            let settings = vec![("access_log", graft.list(from, logs))];
            let manager = made::manager(graft, from, settings, Vec::new(), Vec::new(), vec![host]);
            let edge = Edge::somewhere(from, "all proxies");
            let mut configuration = made::lower(graft, vec![edge.listener(graft, vec![manager])]);
            configuration.files = vec![one.file];
            Some(configuration)
        });
        lowered.collect()
    }
}

impl<'a> One<'a> {
    /// The logs that Envoy writes.
    pub(super) fn logs(&self, graft: &Graft) -> Vec<Piece> {
        let logging = if self.object { self.at.path(&["envoy", "logging"]) } else { Some(self.at) };
        let Some(logging) = logging else { return Vec::new() };
        let named = |keys: [&str; 2]| logging.get(keys[usize::from(!self.object)]);
        let kind = named(["accessLogFormat", "accesslog-format"]);
        let format = match kind.and_then(At::text) {
            Some("json") => named(["accessLogJSONFields", "json-fields"]),
            _ => named(["accessLogFormatString", "accesslog-format-string"]),
        };
        let log = format.filter(|at| !at.is_empty());
        log.map(|at| made::file_log(graft, kind.unwrap_or(at), Some(graft.copy(at)))).into_iter().collect()
    }

    /// What is done to the headers of all requests.
    pub(super) fn headers(&self, graft: &Graft, into: &mut Headers) {
        let key = if self.object { "requestHeaders" } else { "request-headers" };
        let Some(policy) = self.at.path(&["policy", key]) else { return };
        policy.list("remove").for_each(|name| into.remove(graft, name));
        for (name, at) in policy.get("set").into_iter().flat_map(At::entries) {
            into.write(graft, at, name, at.text(), Action::Overwrite, false);
        }
    }
}
