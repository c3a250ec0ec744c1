//! The documentation under `docs/`: one page a rule, one an issuer, and an index, all rendered from the rule files.

use std::collections::BTreeMap;

use super::{Catalogue, Expiry, Family, Page};
use crate::finding::Severity;

/// What every rendered page begins with, so that it can be told from pages written by hand.
pub const MARK: &str = "<!-- Rendered by `keybound rules docs` from the files under rules/: edit those. -->\n";

/// Between these two lines of a file stands the [`table`].
pub const TABLE: (&str, &str) = ("<!-- issuers: rendered by `keybound rules docs` -->", "<!-- end of issuers -->");

/// All pages, sorted by path: paths relative to the folder of the documentation, with `/`, and their texts.
pub fn pages(catalogue: &Catalogue) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    let rendered = |text: &str| format!("{MARK}\n{}\n", text.trim_end());
    for check in catalogue.checks() {
        if let Some(page) = catalogue.page(check.slug) {
            let text = format!("{}\n[All rules](../README.md)\n", page.markdown());
            pages.insert(format!("rules/{}.md", check.slug), rendered(&text));
        }
    }
    for (file, families) in by_file(catalogue) {
        pages.insert(format!("tokens/{file}.md"), rendered(&issuer(catalogue, &families)));
    }
    pages.insert("README.md".to_owned(), rendered(&index(catalogue)));
    pages
}

/// One row an issuer: what is found, what it can be bound to, whether its expiry can be read. Links start at `folder`,
/// the documentation as seen from the file that the table stands in.
pub fn table(catalogue: &Catalogue, folder: &str) -> String {
    let mut rows: Vec<(String, String)> = by_file(catalogue)
        .into_iter()
        .map(|(file, families)| {
            let issuer = &families[0].issuer;
            let bindable = families.iter().filter(|f| f.bindable.is_to_key()).count();
            let readable = families.iter().filter(|f| matches!(f.expiry(), Expiry::InToken(_))).count();
            let of_all = |count: usize| match count {
                0 => "no".to_owned(),
                _ if count == families.len() => "yes".to_owned(),
                _ => format!("{count} of {}", families.len()),
            };
            let row = format!(
                "| [{}]({folder}/tokens/{file}.md) | {} | {} | {} |\n",
                cell(issuer),
                families.len(),
                of_all(bindable),
                of_all(readable)
            );
            (issuer.to_lowercase(), row)
        })
        .collect();
    rows.sort();
    let mut text =
        "| issuer | kinds of token | can be bound to a key | tells its expiry |\n|---|---|---|---|\n".to_owned();
    text.extend(rows.into_iter().map(|(_, row)| row));
    text
}

/// `text` with the [`table`] put between its two marks; `None` where they don't stand there.
pub fn with_table(catalogue: &Catalogue, folder: &str, text: &str) -> Option<String> {
    let (before, rest) = text.split_once(TABLE.0)?;
    let (_, after) = rest.split_once(TABLE.1)?;
    Some(format!("{before}{}\n\n{}\n{}{after}", TABLE.0, table(catalogue, folder), TABLE.1))
}

/// The families by the name of their file, less folder and ending.
fn by_file(catalogue: &Catalogue) -> BTreeMap<&str, Vec<&Family>> {
    let mut files: BTreeMap<&str, Vec<&Family>> = BTreeMap::new();
    for family in &catalogue.families {
        let name = family.file.rsplit('/').next().unwrap_or_default();
        files.entry(name.strip_suffix(".yaml").unwrap_or(name)).or_default().push(family);
    }
    files
}

fn index(catalogue: &Catalogue) -> String {
    let mut text = "# What keybound finds\n\n## Rules\n\nA rule's own severity; the verdict on the token decides how \
                    grave a finding is. `keybound explain RULE` prints the same pages.\n\n\
                    | rule | severity | fires on |\n|---|---|---|\n"
        .to_owned();
    let mut checks = catalogue.checks();
    let rank = |severity: Severity| Severity::ALL.iter().position(|s| *s == severity);
    checks.sort_by_key(|check| (rank(check.severity), check.slug));
    for check in checks {
        let (slug, severity) = (&check.slug, check.severity.word());
        text += &format!("| [{slug}](rules/{slug}.md) | {severity} | {} |\n", cell(check.title));
    }
    text += "\n## Tokens\n\n";
    for (file, families) in by_file(catalogue) {
        text += &format!("### [{}](tokens/{file}.md)\n\n", families[0].issuer);
        text += "| family | token | can be bound | lives | expiry read from |\n|---|---|---|---|---|\n";
        for family in families {
            text += &format!(
                "| [{slug}](tokens/{file}.md#{anchor}) | {} | {} | {} | {} |\n",
                cell(family.title),
                family.bindable.words(),
                cell(family.lifetime),
                match family.expiry() {
                    Expiry::InToken(place) => place,
                    Expiry::Beside => "`expires_in` beside it",
                    Expiry::Issuer => "-",
                },
                slug = family.slug,
                anchor = heading_anchor(family.title),
            );
        }
        text.push('\n');
    }
    text
}

/// The page of one file's families: each, then once what all have in common.
fn issuer(catalogue: &Catalogue, families: &[&Family]) -> String {
    let mut pages: Vec<Page> = families.iter().filter_map(|family| catalogue.page(family.slug)).collect();
    let mut text = format!("# {}\n\n", families[0].issuer);
    for page in &pages {
        text += &format!("- [{}](#{})\n", page.title, heading_anchor(page.title));
    }
    let mut common = String::new();
    if pages.windows(2).all(|two| two[0].fix == two[1].fix) {
        common += &format!("\n## Fix\n\n{}\n", pages[0].fix);
        pages.iter_mut().for_each(|page| page.fix = "");
    }
    if pages.windows(2).all(|two| two[0].references == two[1].references) {
        common += &super::page::references(&pages[0].references, "##");
        pages.iter_mut().for_each(|page| page.references.clear());
    }
    for mut page in pages {
        page.facts.retain(|(name, _)| *name != "issuer");
        // In short: spelled out for each family, they would be most of the page.
        let taxa = std::mem::take(&mut page.taxonomies);
        let ids = taxa.iter().flat_map(|(taxonomy, ids)| {
            ids.iter().map(|id| if taxonomy.key == "cwe" { format!("CWE-{id}") } else { (*id).to_owned() })
        });
        let ids = ids.collect::<Vec<_>>().join(", ");
        if !ids.is_empty() {
            page.facts.push(("taxonomies", ids));
        }
        text += &format!("\n{}", page.markdown_below(2));
    }
    text + &common + "\n[All rules and tokens](../README.md)\n"
}

/// A text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

/// The anchor that GitHub gives a heading: lower case, punctuation dropped, blanks made hyphens.
fn heading_anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_those_of_the_headings() {
        assert_eq!(heading_anchor("GitHub personal access token (classic)"), "github-personal-access-token-classic");
        assert_eq!(heading_anchor("SPIFFE JWT-SVID"), "spiffe-jwt-svid");
    }

    #[test]
    fn a_table_is_put_between_its_marks() {
        let catalogue = Catalogue::embedded().unwrap_or_else(|e| panic!("{e}"));
        let text = format!("above\n{}\nold\n{}\nbelow\n", TABLE.0, TABLE.1);
        let new = with_table(&catalogue, "docs", &text).expect("it has the marks");
        assert!(new.starts_with("above\n") && new.ends_with("below\n") && !new.contains("old"));
        assert!(new.contains("| [GitHub](docs/tokens/github.md) |"));
        assert_eq!(with_table(&catalogue, "docs", &new).as_ref(), Some(&new), "twice is the same as once");
        assert_eq!(with_table(&catalogue, "docs", "no marks"), None);
    }
}
