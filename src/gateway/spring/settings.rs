//! Settings of an application, put together from its files: what all have in common, and each profile over it.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::settings::{Flat, flat_documents, plain_key};
use crate::gateway::files::Files;
use crate::gateway::hop::Place;

/// More routes are not looked at.
const MOST: usize = 4096;
/// Where the gateway's settings stand, the newest first.
const GATEWAY: &str = "spring.cloud.gateway.";
const VARIANTS: [&str; 3] = ["server.webflux.", "server.webmvc.", "mvc."];
/// What keys of 4.3 and later begin with; those from then on are told apart by it.
const RECENT: &str = "spring.cloud.gateway.server.";

/// Settings by their keys, spelled alike.
#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    all: BTreeMap<String, (String, Place)>,
    /// The gateway is known to be 4.3 or later.
    pub(super) recent: bool,
}

/// The settings of an application under a profile, or under none.
#[derive(Debug, Default)]
pub(super) struct Assembled {
    pub(super) files: Vec<u32>,
    pub(super) settings: Settings,
    pub(super) holes: Vec<(Place, String)>,
}

impl Settings {
    pub(super) fn get(&self, key: &str) -> Option<&(String, Place)> {
        self.all.get(key)
    }

    /// A setting of the gateway.
    pub(super) fn gateway(&self, key: &str) -> Option<&(String, Place)> {
        self.all.get(&format!("{GATEWAY}{key}"))
    }

    pub(super) fn has_any(&self, prefix: &str) -> bool {
        self.from(prefix).next().is_some()
    }

    fn from<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'s str, &'s (String, Place))> {
        self.all
            .range(prefix.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, at)| (key.as_str(), at))
    }

    /// The items of a list of the gateway's, as `routes[0]`, in order.
    pub(super) fn numbered(&self, list: &str) -> Vec<String> {
        let prefix = format!("{GATEWAY}{list}[");
        let numbers =
            self.from(&prefix).filter_map(|(key, _)| key[prefix.len()..].split(']').next()?.parse::<usize>().ok());
        let numbers: BTreeSet<usize> = numbers.take(MOST * 16).collect();
        numbers.into_iter().take(MOST).map(|number| format!("{list}[{number}]")).collect()
    }

    /// The keys right below one of the gateway's, with it.
    pub(super) fn below(&self, prefix: &str) -> Vec<String> {
        let full = format!("{GATEWAY}{prefix}");
        let keys = self.from(&full).filter_map(|(key, _)| {
            let rest = &key[full.len()..];
            // A path in brackets may have dots in it.
            let end = if rest.starts_with('[') { rest.find(']')? + 1 } else { rest.find('.')? };
            Some(format!("{prefix}{}", &rest[..end]))
        });
        let keys: BTreeSet<String> = keys.collect();
        keys.into_iter().collect()
    }

    /// A list of the gateway's: items, or one text with commas.
    pub(super) fn list(&self, key: &str) -> Vec<(String, Place)> {
        if let Some((text, place)) = self.gateway(key) {
            return text.split(',').map(|item| (item.trim().to_owned(), *place)).collect();
        }
        self.numbered(key).iter().filter_map(|key| self.gateway(key)).cloned().collect()
    }

    /// Settings of the gateway below a key, each with the rest of its key.
    pub(super) fn inside(&self, key: &str) -> Vec<(String, &(String, Place))> {
        let full = format!("{GATEWAY}{key}.");
        let all = self.all.range(full.clone()..).take_while(|(key, _)| key.starts_with(&full));
        all.map(|(key, at)| (key[full.len()..].to_owned(), at)).collect()
    }

    /// Puts others over these: a list takes the place of the whole list.
    fn put(&mut self, flat: &[(String, String, Place)]) {
        let roots: BTreeSet<&str> = flat.iter().filter_map(|(key, ..)| Some(key.split_once('[')?.0)).collect();
        for root in roots {
            let (prefix, plain) = (format!("{root}["), root.to_owned());
            let old: Vec<String> = self.from(&prefix).map(|(key, _)| key.to_owned()).collect();
            old.iter().for_each(|key| _ = self.all.remove(key));
            self.all.remove(&plain);
        }
        for (key, text, place) in flat {
            self.all.insert(key.clone(), (text.clone(), *place));
        }
    }
}

/// A document: under which profile it counts, and what it says.
struct Document {
    file: u32,
    profile: Option<String>,
    flat: Vec<Flat>,
    recent: bool,
}

/// The settings of all applications, once for each profile that has any of its own.
pub(super) fn assemble(files: &Files, own: &[u32]) -> Vec<Assembled> {
    let stem = |number: u32| {
        let path = files.get(number).path();
        path.rsplit_once('.').map_or(path, |(stem, _)| stem)
    };
    let stems: BTreeSet<&str> = own.iter().map(|number| stem(*number)).collect();
    let mut applications: BTreeMap<&str, Vec<Document>> = BTreeMap::new();
    let mut holes: BTreeMap<&str, Vec<(Place, String)>> = BTreeMap::new();
    for number in own {
        let stem = stem(*number);
        // `application-prod` beside `application`.
        let dashes = stem.match_indices('-').map(|(at, _)| at);
        let base = dashes.filter(|at| !stem[*at..].contains('/') && stems.contains(&stem[..*at])).min();
        let name = base.map_or(stem, |at| &stem[..at]);
        let by_name = base.map(|at| stem[at + 1..].to_owned());
        let (documents, hole) = flat_documents(files, *number);
        holes.entry(name).or_default().extend(hole);
        for flat in documents {
            let recent = flat.iter().any(|(key, ..)| key.starts_with(RECENT));
            let flat: Vec<Flat> = flat.into_iter().map(|(key, text, place)| (spelled(&key), text, place)).collect();
            let said = flat
                .iter()
                .find(|(key, ..)| matches!(key.as_str(), "spring.config.activate.onprofile" | "spring.profiles"));
            let profile = said.map(|(_, text, _)| text.clone()).or_else(|| by_name.clone());
            applications.entry(name).or_default().push(Document { file: *number, profile, flat, recent });
        }
    }
    let mut all = Vec::new();
    for (name, documents) in &applications {
        let profiles: BTreeSet<Option<&String>> =
            documents.iter().map(|one| one.profile.as_ref()).chain([None]).collect();
        for profile in profiles {
            let mut assembled =
                Assembled { holes: holes.get(name).cloned().unwrap_or_default(), ..Assembled::default() };
            let ordered = documents.iter().filter(|one| one.profile.is_none());
            let ordered =
                ordered.chain(documents.iter().filter(|one| profile.is_some() && one.profile.as_ref() == profile));
            for document in ordered {
                assembled.settings.put(&document.flat);
                assembled.settings.recent |= document.recent;
                assembled.files.push(document.file);
            }
            assembled.files.sort_unstable();
            assembled.files.dedup();
            all.push(assembled);
        }
    }
    all
}

/// A key as all spellings of it, and without what versions of the gateway put into it.
fn spelled(key: &str) -> String {
    let plain = |part: &str| if part.starts_with('[') { part.to_owned() } else { plain_key(part) };
    // What stands in brackets is no key's own spelling.
    let mut parts: Vec<String> = Vec::new();
    let mut rest = key;
    while !rest.is_empty() {
        let end = if rest.starts_with('[') {
            rest.find(']').map_or(rest.len(), |at| at + 1)
        } else {
            rest.find('.').unwrap_or(rest.len())
        };
        let tail = rest[end..].find('.').map_or(rest.len(), |at| end + at);
        let end = if rest.starts_with('[') { tail } else { end };
        parts.push(plain(&rest[..end]));
        rest = rest[end..].strip_prefix('.').unwrap_or("");
    }
    let key = parts.join(".");
    let Some(own) = key.strip_prefix(GATEWAY) else { return key };
    let own = VARIANTS.iter().find_map(|variant| own.strip_prefix(variant)).unwrap_or(own);
    format!("{GATEWAY}{own}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelled_alike() {
        for (written, key) in [
            ("spring.cloud.gateway.default-filters[0]", "spring.cloud.gateway.defaultfilters[0]"),
            ("spring.cloud.gateway.server.webflux.defaultFilters[0]", "spring.cloud.gateway.defaultfilters[0]"),
            (
                "spring.cloud.gateway.mvc.routes[1].filters[0].args.name",
                "spring.cloud.gateway.routes[1].filters[0].args.name",
            ),
            (
                "spring.cloud.gateway.globalcors.cors-configurations.[/api.v1/**].allowedHeaders[0]",
                "spring.cloud.gateway.globalcors.corsconfigurations.[/api.v1/**].allowedheaders[0]",
            ),
            ("server.ssl.client-auth", "server.ssl.clientauth"),
        ] {
            assert_eq!(spelled(written), key);
        }
    }

    #[test]
    fn a_list_takes_the_place_of_the_list() {
        let flat = |key: &str, text: &str| (spelled(key), text.to_owned(), Place::default());
        let mut settings = Settings::default();
        settings
            .put(&[flat("spring.cloud.gateway.routes[0].uri", "a"), flat("spring.cloud.gateway.routes[1].uri", "b")]);
        settings.put(&[flat("spring.cloud.gateway.routes[0].uri", "c"), flat("server.ssl.client-auth", "need")]);
        assert_eq!(settings.numbered("routes"), ["routes[0]"]);
        assert_eq!(settings.gateway("routes[0].uri").map(|(text, _)| text.as_str()), Some("c"));
        assert!(settings.has_any("server.ssl."));
    }
}
