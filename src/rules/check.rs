//! The page of a rule that is not a token family: one file a rule under `rules/checks/`.

use super::reader::{Fields, Result};
use super::{Reference, Taxa};
use crate::finding::Severity;
use crate::syntax::yaml::Node;

/// A rule's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The rule id.
    pub slug: String,
    /// What is wrong, a short phrase.
    pub title: String,
    /// The fault's own default.
    pub severity: Severity,
    /// `token`, `gateway`, `pipeline` or `issuer`.
    pub audit: String,
    /// Why it matters.
    pub why: String,
    /// An example that the rule fires on.
    pub bad: String,
    /// The same, mended.
    pub good: String,
    /// Examples for products that write it otherwise, in the order of the file.
    pub products: Vec<ProductExample>,
    /// What to do: one sentence, then details.
    pub fix: String,
    /// Sources.
    pub references: Vec<Reference>,
    /// Framework ids.
    pub taxonomies: Taxa,
}

/// A rule's examples as one product writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductExample {
    /// The product, as findings name it: `nginx`.
    pub product: String,
    /// An example that the rule fires on.
    pub bad: String,
    /// The same, mended.
    pub good: String,
}

impl Check {
    /// The first sentence or paragraph of `fix`, on one line.
    pub fn first_fix(&self) -> String {
        super::family::first_paragraph(&self.fix)
    }
}

pub(super) fn read_file(file: &str, node: &Node) -> Result<Check> {
    let mut fields = Fields::new(file, node)?;
    let severities = Severity::ALL.map(|s| (s.word(), s));
    let audits = [("token", "token"), ("gateway", "gateway"), ("pipeline", "pipeline"), ("issuer", "issuer")];
    let check = Check {
        slug: fields.required("slug")?.to_owned(),
        title: fields.required("title")?.to_owned(),
        severity: {
            fields.required("severity")?;
            fields.word("severity", &severities)?.unwrap_or(Severity::Info)
        },
        audit: {
            fields.required("audit")?;
            fields.word("audit", &audits)?.unwrap_or("token").to_owned()
        },
        why: fields.required("why")?.trim_end().to_owned(),
        bad: fields.required("bad")?.trim_end().to_owned(),
        good: fields.required("good")?.trim_end().to_owned(),
        products: products(file, fields.node("products"))?,
        fix: fields.required("fix")?.trim_end().to_owned(),
        references: fields.references("references")?,
        taxonomies: fields.taxonomies()?.unwrap_or_default(),
    };
    fields.done()?;
    Ok(check)
}

fn products(file: &str, node: Option<&Node>) -> Result<Vec<ProductExample>> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let mut products = Vec::new();
    for (name, examples) in node.entries() {
        let mut fields = Fields::new(file, examples)?;
        products.push(ProductExample {
            product: name.text().unwrap_or_default().to_owned(),
            bad: fields.required("bad")?.trim_end().to_owned(),
            good: fields.required("good")?.trim_end().to_owned(),
        });
        fields.done()?;
    }
    Ok(products)
}
