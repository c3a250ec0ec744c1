//! The settings of an ingress controller: its ConfigMap, or what Helm's values make of it.

use super::ingress::is_true;
use super::tree::At;
use crate::config::helm;
use crate::config::kubernetes::{self, ByFile, Manifests, Objects};

/// Where a controller's chart has its settings, below `controller`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chart {
    /// The way to what becomes the ConfigMap.
    pub(super) config: &'static [&'static str],
    /// Values that only this chart has.
    pub(super) own: &'static [&'static str],
}

/// The settings of a controller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Controller<'a> {
    data: At<'a>,
    /// The `controller` of Helm's values, where they stand in those.
    pub(super) chart: Option<At<'a>>,
    /// The namespace of its ConfigMap.
    pub(super) namespace: Option<&'a str>,
}

impl<'a> Controller<'a> {
    /// A setting.
    pub(super) fn get(&self, key: &str) -> Option<At<'a>> {
        self.data.entries().find(|(name, _)| *name == key).map(|(_, at)| at)
    }

    /// A switch.
    pub(super) fn switch(&self, key: &str, default: bool) -> Option<bool> {
        self.get(key).map_or(Some(default), |at| kubernetes::known(at).map(is_true))
    }

    /// The file it stands in.
    pub(super) const fn file(&self) -> u32 {
        self.data.file
    }

    /// Where it stands.
    pub(super) const fn at(&self) -> At<'a> {
        self.data
    }
}

/// The controllers whose settings stand in these texts: ConfigMaps and Helm's values that have a setting that
/// is its `own`, which no other controller knows.
pub(super) fn all<'a>(
    manifests: &'a Manifests,
    objects: &Objects<'a>,
    own: &dyn Fn(&str, At<'_>) -> bool,
    chart: Chart,
) -> Controllers<'a> {
    let has_own = |data: At<'a>| data.entries().any(|(key, at)| own(key, at));
    let mut found = Vec::new();
    for object in objects.of_kind(&[""], "ConfigMap") {
        if let Some(data) = object.at.get("data").filter(|data| has_own(*data)) {
            found.push(Controller { data, chart: None, namespace: object.namespace });
        }
    }
    // The values of the chart, or of a chart that has it as a part.
    for root in manifests.roots() {
        for controller in helm::values(root).into_iter().filter_map(|at| at.get("controller")) {
            let data = controller.path(chart.config);
            if data.is_some_and(has_own) || chart.own.iter().any(|key| controller.get(key).is_some()) {
                found.push(Controller { data: data.unwrap_or(controller), chart: Some(controller), namespace: None });
            }
        }
    }
    let of_objects = found.iter().filter(|controller| controller.chart.is_none());
    let of_objects = ByFile::new(of_objects.map(|controller| (controller.file(), *controller)));
    let of_charts = found.iter().filter(|controller| controller.chart.is_some()).copied().collect();
    Controllers { all: found, of_objects, of_charts }
}

/// Controllers, to be looked up.
#[derive(Debug)]
pub(super) struct Controllers<'a> {
    pub(super) all: Vec<Controller<'a>>,
    /// Those in files of objects.
    of_objects: ByFile<Controller<'a>>,
    /// Those in values of Helm.
    of_charts: Vec<Controller<'a>>,
}

impl<'a> Controllers<'a> {
    /// The controller that all files of an environment see; of several, which one serves an Ingress is not known.
    pub(super) fn of(&self, objects: &Objects<'a>, environment: &[u32]) -> Option<Controller<'a>> {
        let seen = |controller: &&Controller<'_>| environment.iter().all(|file| objects.sees(*file, controller.file()));
        let mut seen = self.of_objects.within(environment).chain(&self.of_charts).filter(seen);
        seen.next().filter(|_| seen.next().is_none()).copied()
    }
}
