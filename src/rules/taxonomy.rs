//! The frameworks that rules point to (`rules/taxonomies.yaml`): what they are called, which ids may be used, and what a
//! token family points to where its file says nothing.

use std::sync::OnceLock;

use super::reader::{Document, Fields, Result};
use super::{Family, Reach, Role};
use crate::syntax::packed::Packed;

/// A framework.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taxonomy {
    /// How rule files name it: `owasp-nhi`.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Who publishes it.
    pub organization: &'static str,
    /// Its version, where its ids depend on it.
    pub version: Option<&'static str>,
    /// Where it is published.
    pub url: &'static str,
    /// Where one id is explained; `{id}` stands for it.
    page: Option<&'static str>,
    /// Ids and their names as published.
    pub taxa: Vec<(&'static str, &'static str)>,
}

impl Taxonomy {
    /// The published name of that id.
    pub fn title(&self, id: &str) -> Option<&str> {
        self.taxa.iter().find(|(own, _)| *own == id).map(|(_, title)| *title)
    }

    /// The page about that id.
    pub fn page(&self, id: &str) -> Option<String> {
        self.page.as_ref().map(|page| page.replace("{id}", id))
    }

    /// Name and version: `NIST SP 800-53 Revision 5`.
    pub fn full_name(&self) -> String {
        self.version.map_or_else(|| self.name.to_owned(), |version| format!("{} {version}", self.name))
    }
}

/// Ids by the key of their framework, in the order of the rule file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taxa(Vec<(&'static str, Vec<&'static str>)>);

impl Taxa {
    /// Frameworks and the ids of each.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Taxonomy, &[&'static str])> {
        self.0.iter().filter_map(|(key, ids)| Some((taxonomy(key)?, ids.as_slice())))
    }

    /// The ids of one framework.
    pub fn of(&self, key: &str) -> &[&'static str] {
        self.0.iter().find(|(own, _)| *own == key).map_or(&[], |(_, ids)| ids)
    }

    /// Whether it points nowhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds what it lacks of `other`.
    fn add(&mut self, other: &Self) {
        for (key, ids) in &other.0 {
            let at = self.0.iter().position(|(own, _)| own == key).unwrap_or_else(|| {
                self.0.push((*key, Vec::new()));
                self.0.len() - 1
            });
            for id in ids {
                if !self.0[at].1.contains(id) {
                    self.0[at].1.push(*id);
                }
            }
        }
    }

    fn read(fields: &Fields, node: Packed<'static>, known: &[Taxonomy]) -> Result<Self> {
        let mut all = Vec::new();
        for (key, ids) in node.entries() {
            let name = key.text().unwrap_or_default();
            let Some(taxonomy) = known.iter().find(|t| t.key == name) else {
                let keys: Vec<&str> = known.iter().map(|t| t.key).collect();
                return fields.error(key, format!("`{name}` is none of {}", keys.join(", ")));
            };
            let Some(items) = ids.items() else { return fields.error(ids, "a list of ids is expected") };
            let mut own: Vec<&'static str> = Vec::new();
            for item in items {
                let id = item.text().unwrap_or_default();
                if taxonomy.title(id).is_none() {
                    return fields.error(item, format!("`{id}` is no {name} id in rules/taxonomies.yaml"));
                }
                own.push(id);
            }
            all.push((name, own));
        }
        Ok(Self(all))
    }
}

impl Fields {
    /// The `taxonomies` of a rule; `None` where the file says nothing of them.
    pub(super) fn taxonomies(&mut self) -> Result<Option<Taxa>> {
        self.node("taxonomies").map(|node| Taxa::read(self, node, &table().taxonomies)).transpose()
    }
}

/// All frameworks.
pub fn taxonomies() -> &'static [Taxonomy] {
    &table().taxonomies
}

/// The framework of that key.
pub fn taxonomy(key: &str) -> Option<&'static Taxonomy> {
    taxonomies().iter().find(|taxonomy| taxonomy.key == key)
}

/// What a family points to: what its file says, else what follows from what its tokens are.
pub(super) fn of_family(family: &Family) -> Taxa {
    if let Some(own) = &family.taxonomies {
        return own.clone();
    }
    if family.reach == Reach::Public || matches!(family.role, Role::Proof | Role::Logout | Role::Request) {
        return Taxa::default();
    }
    let mut taxa = table().credential.clone();
    match family.role {
        Role::Refresh => taxa.add(&table().refresh),
        Role::Key => taxa.add(&table().key),
        _ => {}
    }
    taxa
}

#[derive(Debug, Default)]
struct Table {
    taxonomies: Vec<Taxonomy>,
    credential: Taxa,
    refresh: Taxa,
    key: Taxa,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    // A test reads the embedded file; here a broken one can only be left out.
    TABLE.get_or_init(|| embedded().unwrap_or_default())
}

fn embedded() -> Result<Table> {
    let mut table = Table::default();
    for file in super::embedded::TAXONOMIES {
        read(Document::embedded(file)?, &mut table)?;
    }
    Ok(table)
}

fn read(document: Document, table: &mut Table) -> Result<()> {
    let mut fields = document.fields()?;
    for node in fields.nodes("taxonomies")? {
        let mut own = Fields::new(document.file, node)?;
        table.taxonomies.push(Taxonomy {
            key: own.required("key")?,
            name: own.required("name")?,
            organization: own.required("organization")?,
            version: own.text("version")?,
            url: own.required("url")?,
            page: own.text("page")?,
            taxa: own.node("taxa").iter().flat_map(Packed::entries).map(pair).collect(),
        });
        own.done()?;
    }
    if let Some(node) = fields.node("families") {
        let mut own = Fields::new(document.file, node)?;
        for (key, into) in
            [("credential", &mut table.credential), ("refresh", &mut table.refresh), ("key", &mut table.key)]
        {
            if let Some(node) = own.node(key) {
                *into = Taxa::read(&own, node, &table.taxonomies)?;
            }
        }
        own.done()?;
    }
    fields.done()
}

fn pair((id, title): (Packed<'static>, Packed<'static>)) -> (&'static str, &'static str) {
    (id.text().unwrap_or_default(), title.text().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::Catalogue;

    #[test]
    fn the_embedded_file_is_sound() {
        let table = embedded().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(table.taxonomies.len(), 5);
        for taxonomy in &table.taxonomies {
            assert!(taxonomy.url.starts_with("https://") && !taxonomy.taxa.is_empty(), "{}", taxonomy.key);
            for (id, title) in &taxonomy.taxa {
                assert!(!id.is_empty() && title.len() > 5, "{} {id}", taxonomy.key);
                assert_eq!(taxonomy.taxa.iter().filter(|(other, _)| other == id).count(), 1, "{id} stands twice");
            }
        }
        assert!([&table.credential, &table.refresh, &table.key].iter().all(|taxa| !taxa.is_empty()));
    }

    #[test]
    fn an_unknown_id_is_an_error_with_its_place() {
        let family = |taxonomies: &str| {
            let text = format!(
                "issuer: X\nfamilies:\n  - slug: a\n    title: b\n    names: [token]\n    taxonomies: {taxonomies}\n"
            );
            Catalogue::families_of("my.yaml", &text).map(|mut all| all.remove(0))
        };
        for (wrong, place) in [("{cwe: [320]}", ":6:24"), ("{nist: [PR.AA-01]}", ":6:18"), ("{cwe: 294}", ":6:23")] {
            let error = family(wrong).unwrap_err().to_string();
            assert!(error.starts_with(&format!("my.yaml{place}: ")), "{error}");
        }
        let own = family("{cwe: [532]}").unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(of_family(&own).of("cwe"), ["532"]);
        assert!(of_family(&own).of("owasp-nhi").is_empty(), "what the file says takes the place of the rest");
    }

    #[test]
    fn families_point_where_their_tokens_lead() {
        let catalogue = Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"));
        let taxa = |slug: &str| of_family(catalogue.family(slug).unwrap_or_else(|| panic!("{slug}")).1);
        assert_eq!(taxa("github-pat").of("owasp-nhi"), ["NHI2:2025"]);
        assert_eq!(taxa("github-refresh").of("owasp-nhi"), ["NHI2:2025", "NHI4:2025", "NHI7:2025"]);
        assert!(taxa("jwt-dpop-proof").is_empty());
    }
}
