//! A rule's page, whatever kind of rule it is: for the terminal, for SARIF and for the documentation.

use super::{Bindable, Catalogue, Check, Expiry, Family, Reference, Taxa, taxonomy};

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rule id.
    pub slug: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// Facts in short: name and value.
    pub facts: Vec<(&'static str, String)>,
    /// Example that fires, example that does not.
    pub examples: Option<(&'static str, &'static str)>,
    /// The same for single products: product, example that fires, example that does not.
    pub products: Vec<(&'static str, &'static str, &'static str)>,
    /// What to do.
    pub fix: &'static str,
    /// Sources.
    pub references: Vec<Reference>,
    /// Framework ids.
    pub taxonomies: Taxa,
}

impl Catalogue {
    /// The page of a rule, be it a family or a check.
    pub fn page(&self, slug: &str) -> Option<Page> {
        self.check(slug).map(of_check).or_else(|| self.family(slug).map(|(_, family)| of_family(family)))
    }
}

fn of_check(check: &Check) -> Page {
    Page {
        slug: check.slug,
        title: check.title,
        why: check.why,
        facts: vec![("severity", severity(check))],
        examples: Some((check.bad, check.good)),
        products: check.products.iter().map(|example| (example.product, example.bad, example.good)).collect(),
        fix: check.fix,
        references: check.references.clone(),
        taxonomies: check.taxonomies.clone(),
    }
}

fn severity(check: &Check) -> String {
    let word = check.severity.word();
    match check.audit {
        "token" => format!("{word} by itself; the verdict on the token decides"),
        _ => format!("{word}; less where little depends on it"),
    }
}

fn of_family(family: &Family) -> Page {
    let bindable = match family.bindable {
        Bindable::None => "no, whoever holds it can use it",
        bindable => bindable.words(),
    };
    let expiry = match family.expiry() {
        Expiry::InToken(place) => format!("read from {place}"),
        Expiry::Beside => "read from `expires_in`, where that stands beside it".to_owned(),
        Expiry::Issuer => "known to the issuer only".to_owned(),
    };
    Page {
        slug: family.slug,
        title: family.title,
        why: family.about,
        facts: vec![
            ("issuer", family.issuer.to_owned()),
            ("lives", family.lifetime.to_owned()),
            ("can be bound", bindable.to_owned()),
            ("expiry", expiry),
        ],
        examples: None,
        products: Vec::new(),
        fix: family.revoke,
        references: family.references.clone(),
        taxonomies: taxonomy::of_family(family),
    }
}

impl Page {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        self.markdown_below(1)
    }

    /// As Markdown with its title a heading of that level.
    pub fn markdown_below(&self, level: usize) -> String {
        let mark = "#".repeat(level);
        let mut text = format!("{mark} {}\n\n`{}`\n\n{}\n\n", self.title, self.slug, self.why);
        for (name, value) in &self.facts {
            text += &format!("- **{name}**: {value}\n");
        }
        if let Some((bad, good)) = &self.examples {
            text += &format!("\n{mark}# Bad\n\n```\n{bad}\n```\n\n{mark}# Good\n\n```\n{good}\n```\n");
        }
        for (product, bad, good) in &self.products {
            text += &format!("\n{mark}# {product}\n\nBad:\n\n```\n{bad}\n```\n\nGood:\n\n```\n{good}\n```\n");
        }
        if !self.fix.is_empty() {
            text += &format!("\n{mark}# Fix\n\n{}\n", self.fix);
        }
        text += &references(&self.references, &format!("{mark}#"));
        if !self.taxonomies.is_empty() {
            text += &format!("\n{mark}# Taxonomies\n\n");
            for (taxonomy, ids) in self.taxonomies.iter() {
                text += &format!("- [{}]({}): ", taxonomy.full_name(), taxonomy.url);
                let one = |id: &&str| {
                    let title = taxonomy.title(id).unwrap_or_default();
                    taxonomy.page(id).map_or(format!("{id} {title}"), |page| format!("[{id}]({page}) {title}"))
                };
                text += &format!("{}\n", ids.iter().map(one).collect::<Vec<_>>().join("; "));
            }
        }
        text
    }

    /// As plain text.
    pub fn plain(&self) -> String {
        let mut text = format!("{}\n\n{}\n\n", self.title, self.why);
        for (name, value) in &self.facts {
            text += &format!("{name}: {value}\n");
        }
        if let Some((bad, good)) = &self.examples {
            text += &format!("\nBad:\n\n{}\n\nGood:\n\n{}\n", indent(bad), indent(good));
        }
        for (product, bad, good) in &self.products {
            text += &format!("\nBad ({product}):\n\n{}\n\nGood ({product}):\n\n{}\n", indent(bad), indent(good));
        }
        text += &format!("\nFix:\n\n{}\n", indent(self.fix));
        if !self.references.is_empty() {
            text += "\nReferences:\n\n";
            for reference in &self.references {
                text += &format!("  {}\n  {}\n", reference.title, reference.url);
            }
        }
        text
    }
}

/// The sources as a Markdown list under a heading; nothing where there are none.
pub(super) fn references(references: &[Reference], mark: &str) -> String {
    if references.is_empty() {
        return String::new();
    }
    let items = references.iter().map(|reference| format!("- [{}]({})\n", reference.title, reference.url));
    format!("\n{mark} References\n\n{}", items.collect::<String>())
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("  {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}
