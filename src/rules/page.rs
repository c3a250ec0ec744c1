//! A rule's page, whatever kind of rule it is: for the terminal, for SARIF and for the documentation.

use super::{Bindable, Catalogue, Check, Family, Reference};

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The rule id.
    pub slug: String,
    /// Its title.
    pub title: String,
    /// Why it matters.
    pub why: String,
    /// Facts in short: name and value.
    pub facts: Vec<(&'static str, String)>,
    /// Example that fires, example that does not.
    pub examples: Option<(String, String)>,
    /// What to do.
    pub fix: String,
    /// Sources.
    pub references: Vec<Reference>,
    /// CWE numbers.
    pub cwe: Vec<String>,
    /// Framework ids.
    pub taxonomies: Vec<(String, Vec<String>)>,
}

impl Catalogue {
    /// The page of a rule, be it a family or a check.
    pub fn page(&self, slug: &str) -> Option<Page> {
        self.check(slug).map(of_check).or_else(|| self.family(slug).map(|(_, family)| of_family(family)))
    }
}

fn of_check(check: &Check) -> Page {
    Page {
        slug: check.slug.clone(),
        title: check.title.clone(),
        why: check.why.clone(),
        facts: vec![("severity", format!("{} by itself; the verdict on the token decides", check.severity.word()))],
        examples: Some((check.bad.clone(), check.good.clone())),
        fix: check.fix.clone(),
        references: check.references.clone(),
        cwe: check.taxonomies.iter().filter(|(f, _)| f == "cwe").flat_map(|(_, ids)| ids.clone()).collect(),
        taxonomies: check.taxonomies.clone(),
    }
}

fn of_family(family: &Family) -> Page {
    let bindable = match family.bindable {
        Bindable::None => "to nothing: whoever holds it can use it",
        Bindable::Network => "to networks or referrers only",
        Bindable::X5t => "to a client certificate (mutual TLS)",
        Bindable::Jkt => "to a DPoP key",
        Bindable::X5tOrJkt => "to a client certificate (mutual TLS) or a DPoP key",
    };
    Page {
        slug: family.slug.clone(),
        title: family.title.clone(),
        why: family.about.clone(),
        facts: vec![
            ("issuer", family.issuer.clone()),
            ("lives", family.lifetime.clone()),
            ("can be bound", bindable.to_owned()),
        ],
        examples: None,
        fix: family.revoke.clone(),
        references: family.references.clone(),
        // Insertion of sensitive information; use of hard-coded credentials; insufficiently protected credentials.
        cwe: ["312", "522", "798"].map(str::to_owned).to_vec(),
        taxonomies: vec![("owasp-nhi".to_owned(), vec!["NHI2:2025".to_owned()])],
    }
}

impl Page {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n`{}`\n\n{}\n\n", self.title, self.slug, self.why);
        for (name, value) in &self.facts {
            text += &format!("- **{name}**: {value}\n");
        }
        if let Some((bad, good)) = &self.examples {
            text += &format!("\n## Bad\n\n```\n{bad}\n```\n\n## Good\n\n```\n{good}\n```\n");
        }
        text += &format!("\n## Fix\n\n{}\n", self.fix);
        if !self.references.is_empty() {
            text += "\n## References\n\n";
            for reference in &self.references {
                text += &format!("- [{}]({})\n", reference.title, reference.url);
            }
        }
        if !self.taxonomies.is_empty() {
            text += "\n## Taxonomies\n\n";
            for (framework, ids) in &self.taxonomies {
                text += &format!("- {framework}: {}\n", ids.join(", "));
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
        text += &format!("\nFix:\n\n{}\n", indent(&self.fix));
        if !self.references.is_empty() {
            text += "\nReferences:\n\n";
            for reference in &self.references {
                text += &format!("  {}\n  {}\n", reference.title, reference.url);
            }
        }
        text
    }
}

fn indent(text: &str) -> String {
    text.lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("  {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}
