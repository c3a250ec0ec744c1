//! The page of a rule that is not a token family: one file a rule under `rules/checks/`.

use std::sync::OnceLock;

use super::reader::{Document, Fields, File, Result};
use super::{Reference, Taxa};
use crate::finding::Severity;
use crate::syntax::packed::Packed;

/// A rule's page.
#[derive(Debug)]
pub struct Check {
    /// The rule id.
    pub slug: &'static str,
    /// What is wrong, a short phrase.
    pub title: &'static str,
    /// The fault's own default.
    pub severity: Severity,
    /// `token`, `gateway`, `pipeline` or `issuer`.
    pub audit: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// An example that the rule fires on.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
    /// Examples for products that write it otherwise, in the order of the file.
    pub products: Vec<ProductExample>,
    /// What to do: one sentence, then details.
    pub fix: &'static str,
    /// Sources.
    pub references: Vec<Reference>,
    /// Framework ids.
    pub taxonomies: Taxa,
    first_fix: OnceLock<String>,
}

/// A rule's examples as one product writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductExample {
    /// The product, as findings name it: `nginx`.
    pub product: &'static str,
    /// An example that the rule fires on.
    pub bad: &'static str,
    /// The same, mended.
    pub good: &'static str,
}

impl Check {
    /// The first sentence or paragraph of `fix`, on one line.
    pub fn first_fix(&self) -> &str {
        self.first_fix.get_or_init(|| super::family::first_paragraph(self.fix))
    }
}

pub(super) fn read_file(document: Document) -> Result<Check> {
    let mut fields = document.fields()?;
    let severities = Severity::ALL.map(|s| (s.word(), s));
    let audits = [("token", "token"), ("gateway", "gateway"), ("pipeline", "pipeline"), ("issuer", "issuer")];
    let check = Check {
        slug: fields.required("slug")?,
        title: fields.required("title")?,
        severity: {
            fields.required("severity")?;
            fields.word("severity", &severities)?.unwrap_or(Severity::Info)
        },
        audit: {
            fields.required("audit")?;
            fields.word("audit", &audits)?.unwrap_or("token")
        },
        why: fields.required("why")?,
        bad: fields.required("bad")?,
        good: fields.required("good")?,
        products: products(document.file, fields.node("products"))?,
        fix: fields.required("fix")?,
        references: fields.references("references")?,
        taxonomies: fields.taxonomies()?.unwrap_or_default(),
        first_fix: OnceLock::new(),
    };
    fields.done()?;
    Ok(check)
}

fn products(file: File, node: Option<Packed<'static>>) -> Result<Vec<ProductExample>> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let mut products = Vec::new();
    for (name, examples) in node.entries() {
        let mut fields = Fields::new(file, examples)?;
        products.push(ProductExample {
            product: name.text().unwrap_or_default(),
            bad: fields.required("bad")?,
            good: fields.required("good")?,
        });
        fields.done()?;
    }
    Ok(products)
}
