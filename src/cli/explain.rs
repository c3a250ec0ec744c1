//! `keybound explain`

use std::io::{self, Write};

use super::args::ExplainArgs;
use super::{Failure, code};
use crate::rules::Catalogue;

pub(super) fn run(args: &ExplainArgs) -> Result<u8, Failure> {
    let catalogue = Catalogue::embedded().map_err(|error| Failure::message(error.to_string()))?;
    let Some(page) = catalogue.page(&args.rule) else {
        let mut near: Vec<&str> = slugs(&catalogue).into_iter().filter(|slug| is_near(slug, &args.rule)).collect();
        near.sort_unstable();
        near.truncate(6);
        let hint = match near.is_empty() {
            true => "`keybound rules list` lists all".to_owned(),
            false => format!("did you mean {}?", near.join(", ")),
        };
        return Err(Failure::message(format!("no rule `{}`; {hint}", args.rule)));
    };
    let text = if args.markdown { page.markdown() } else { format!("{}  ({})", page.plain(), page.slug) };
    writeln!(io::stdout().lock(), "{}", text.trim_end())?;
    Ok(code::CLEAN)
}

fn slugs(catalogue: &Catalogue) -> Vec<&str> {
    let checks = catalogue.checks().into_iter().map(|check| check.slug);
    checks.chain(catalogue.families.iter().map(|family| family.slug)).collect()
}

/// Shares a word of three letters or more.
fn is_near(slug: &str, asked: &str) -> bool {
    let asked = asked.to_ascii_lowercase();
    let words = asked.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= 3 && *word != "jwt");
    words.into_iter().any(|word| slug.contains(word))
}
