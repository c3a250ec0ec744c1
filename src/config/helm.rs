//! Values of Helm's charts, wherever they stand: files of their own, objects that have a chart installed (of Flux, for one),
//! and tools that are told what to install. Values that are texts within objects are texts by themselves (`embedded.rs`).

use super::tree::At;

/// Keys under which values stand in what has a chart installed: Flux's HelmRelease, Argo CD's Application, Kustomize,
/// Helmfile, Ansible.
const KEYS: [&str; 5] = ["values", "valuesObject", "valuesInline", "release_values", "set_values"];
/// How deep in those.
const DEEP: usize = 8;

/// Whether a text may hold values within something else; cheap.
pub fn may_be_within(text: &str) -> bool {
    let has = |word: &str| memchr::memmem::find(text.as_bytes(), word.as_bytes()).is_some();
    ["HelmRelease", "valuesObject", "valuesInline", "helmCharts", "releases:", "release_values"]
        .iter()
        .any(|word| has(word))
}

/// The values that a document is or holds: those of the chart itself, and below them those of its parts.
pub fn values(root: At<'_>) -> Vec<At<'_>> {
    let mut found = Vec::new();
    if root.get("apiVersion").is_none() {
        found.push(root);
    }
    within(root, DEEP, &mut found);
    let parts: Vec<At<'_>> = found
        .iter()
        .flat_map(|values| values.entries().map(|(_, at)| at).collect::<Vec<_>>())
        .filter(|part| !part.node.entries().is_empty())
        .collect();
    found.extend(parts);
    found
}

fn within<'a>(at: At<'a>, deep: usize, into: &mut Vec<At<'a>>) {
    if deep == 0 {
        return;
    }
    if at.node.entries().is_empty() {
        return at
            .items()
            .filter(|item| !std::ptr::eq(item.node, at.node))
            .for_each(|item| within(item, deep - 1, into));
    }
    for (key, value) in at.entries().filter(|(_, value)| value.node.text().is_none()) {
        if KEYS.contains(&key) {
            into.extend(value.items().filter(|item| !item.node.entries().is_empty()));
        } else {
            within(value, deep - 1, into);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::yaml;

    fn found(text: &str) -> Vec<String> {
        let stream = yaml::parse(text);
        let root = At::root(0, &stream.documents[0]);
        values(root).iter().filter_map(|at| at.word("mark")).map(str::to_owned).collect()
    }

    #[test]
    fn values_stand_in_many_places() {
        assert_eq!(found("{mark: whole, part: {mark: part}}"), ["whole", "part"]);
        assert_eq!(found("{apiVersion: a, kind: HelmRelease, spec: {mark: no, values: {mark: flux}}}"), ["flux"]);
        let argo = "{apiVersion: a, kind: Application, spec: {sources: [{helm: {valuesObject: {mark: argo}}}]}}";
        assert_eq!(found(argo), ["argo"]);
        assert_eq!(found("releases: [{name: r, values: [a.yaml, {mark: helmfile}]}]"), ["helmfile"]);
        assert_eq!(found("{apiVersion: a, kind: K, spec: {values: text}}"), [""; 0]);
    }
}
