//! APISIX's Ingress Controller: routes (`ApisixRoute`), certificates (`ApisixTls`), and plugins that are shared or hold for
//! all routes (`ApisixPluginConfig`, `ApisixGlobalRule`).

use super::set::{Named, Plugins};
use super::ways::{Facts, Settings, Ssl, hops};
use crate::config::kubernetes::{ByFile, Manifests, Object, Objects, service_names};
use crate::gateway::files::Files;
use crate::gateway::hop::{Protocol, Upstream};
use crate::gateway::tree::{At, Switch};
use crate::gateway::trusted::trusted;
use crate::gateway::{Configuration, Hole};

/// The group of its objects.
const GROUP: &[&str] = &["apisix.apache.org"];
/// More ways are not looked at.
const MOST: usize = 4096;

/// Whether a text holds objects of the controller.
pub(super) fn recognises(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    has("apisix.apache.org/") && has("apiVersion")
}

/// The ways that its routes make.
pub(super) fn configurations(files: &Files, own: &[u32]) -> Vec<Configuration> {
    let manifests = Manifests::read(files, own);
    let objects = manifests.objects(files);
    let metadata = Named::new();
    let by_file = ByFile::new(objects.iter().map(|object| (object.at.file, object)));
    let mut all = Vec::new();
    for numbers in objects.environments() {
        let here = |kind: &'static str| {
            by_file.within(&numbers).copied().filter(move |object| object.is(GROUP, kind)).collect::<Vec<_>>()
        };
        let mut into = Configuration { files: numbers.clone(), ..Configuration::default() };
        let mut global = Plugins::new();
        for rule in here("ApisixGlobalRule") {
            global.extend(plugins(rule.spec()));
        }
        let ssls: Vec<Ssl<'_>> = here("ApisixTls").into_iter().filter_map(certificate).collect();
        for route in here("ApisixRoute") {
            for rule in route.spec().into_iter().flat_map(|spec| spec.list("http")) {
                if let Some(facts) = facts(&objects, route, rule, &global, &metadata, &mut into.holes)
                    && into.hops.len() < MOST
                {
                    hops(&facts, &ssls, &Settings::default(), &mut into.hops);
                }
            }
        }
        if into.hops.is_empty() {
            continue;
        }
        let holes = manifests.holes().iter().filter(|(place, _)| numbers.contains(&place.file));
        into.holes.extend(holes.map(|(place, reason)| Hole { place: *place, reason: reason.clone() }));
        into.complete = into.holes.is_empty();
        into.trusted = trusted(&into.hops);
        all.push(into);
    }
    all
}

fn certificate(tls: Object<'_>) -> Option<Ssl<'_>> {
    let spec = tls.spec()?;
    let names = spec.list("hosts").filter_map(At::text).map(str::to_ascii_lowercase).collect();
    Some(Ssl { names, client: spec.get("client") })
}

/// The plugins of a list that are switched on.
fn plugins(at: Option<At<'_>>) -> Plugins<'_> {
    let list = at.into_iter().flat_map(|at| at.list("plugins"));
    let on = list.filter(|at| at.switch("enable", true) != Switch::Off);
    on.filter_map(|at| Some((at.word("name")?, at.get("config").unwrap_or(at)))).collect()
}

fn facts<'p, 'a>(
    objects: &Objects<'a>,
    route: Object<'a>,
    rule: At<'a>,
    global: &'p Plugins<'a>,
    metadata: &'p Named<'a>,
    holes: &mut Vec<Hole>,
) -> Option<Facts<'p, 'a>> {
    let backend = rule.list("backends").next()?;
    let name = backend.get("serviceName")?;
    let mut own = Plugins::new();
    let mut missing = false;
    if let Some(shared) = rule.get("plugin_config_name") {
        let namespace = rule.word("plugin_config_namespace").or(route.namespace);
        let wanted = shared.text().unwrap_or_default();
        match objects.find(route.at.file, GROUP, "ApisixPluginConfig", namespace, wanted).one() {
            Some(object) => own.extend(plugins(object.spec())),
            None => {
                missing = true;
                holes.push(Hole { place: shared.place(), reason: "shared plugins are not here".to_owned() });
            }
        }
    }
    own.extend(plugins(Some(rule)));
    let texts = |key: &str| -> Vec<String> {
        let list = rule.get("match").into_iter().flat_map(|at| at.list(key));
        list.filter_map(At::text).map(str::to_owned).collect()
    };
    let port = backend.word("servicePort").unwrap_or("80");
    let service = name.text().unwrap_or("its service");
    Some(Facts {
        label: format!("{} {}", route.label(), rule.word("name").unwrap_or("without a name")),
        hosts: texts("hosts").iter().map(|host| host.to_ascii_lowercase()).collect(),
        paths: texts("paths"),
        upstream: Upstream {
            label: format!("{service}:{port}"),
            names: name.text().map_or(Vec::new(), |name| service_names(name, route.namespace, port)),
            protocol: Protocol::Http,
            place: name.place(),
        },
        rewrites: Vec::new(),
        plugins: own,
        global,
        metadata,
        missing,
        sent: false,
    })
}
