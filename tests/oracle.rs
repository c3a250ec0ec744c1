//! The model against real gateways: what a front end says becomes of requests must be what the gateway does with them.
//! See `tests/oracle/README.md`.
//!
//! Variables: `KEYBOUND_ORACLE=1` (or `CI`) makes what is missing a failure; `KEYBOUND_ORACLE_ONLY=nginx` takes only cases
//! whose name contains that; `KEYBOUND_ORACLE_MUTANTS=0` makes so many mutants of each case.

#[path = "oracle/compare.rs"]
mod compare;
#[path = "oracle/mutate.rs"]
mod mutate;
#[path = "oracle/plan.rs"]
mod plan;
#[path = "oracle/products.rs"]
mod products;
#[path = "oracle/trees.rs"]
mod trees;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use keybound::gateway::FRONT_ENDS;
use plan::{Observations, Run};
use products::{PRODUCTS, Product};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// All cases of a product, good and bad.
fn cases(product: &Product) -> Vec<PathBuf> {
    let mut cases = Vec::new();
    for rule in fs::read_dir(root().join("testdata")).expect("testdata").flatten() {
        for kind in ["fires", "silent"] {
            let Ok(entries) = fs::read_dir(rule.path().join(kind)) else { continue };
            let of = |product: &str, name: &str| name.starts_with(&format!("{product}-"));
            // Of `envoy` and `envoy-gateway` the longer name counts.
            let longer = FRONT_ENDS.iter().map(|front_end| front_end.product()).filter(|other| of(product.name, other));
            let longer: Vec<&str> = longer.collect();
            let named = |name: &str| of(product.name, name) && !longer.iter().any(|other| of(other, name));
            cases.extend(
                entries
                    .flatten()
                    .filter(|entry| entry.path().is_dir() && named(&entry.file_name().to_string_lossy()))
                    .map(|entry| entry.path()),
            );
        }
    }
    cases.sort();
    cases
}

/// Why the gateways of cases whose names contain `only` can't be run here, if they can't.
fn missing(only: &str) -> Option<String> {
    let runs = |command: &str, arguments: &[&str]| {
        Command::new(command).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    if !runs("python3", &["-c", ""]) || !runs("openssl", &["version"]) {
        return Some("python3 and openssl are needed".to_owned());
    }
    if !runs("unshare", &["--net", "--mount", "ip", "link", "set", "lo", "up"]) {
        return Some("network namespaces can't be made here: root and iproute2 are needed".to_owned());
    }
    let wanted = |product: &&Product| cases(product).iter().any(|case| case.to_string_lossy().contains(only));
    let absent: Vec<_> =
        PRODUCTS.iter().filter(wanted).filter(|product| !(product.installed)()).map(|product| product.name).collect();
    (!absent.is_empty()).then(|| format!("not installed, see tests/oracle/install.sh: {}", absent.join(", ")))
}

#[test]
#[allow(clippy::print_stderr)] // the test's own report
fn gateways_do_what_the_model_says() {
    let only = std::env::var("KEYBOUND_ORACLE_ONLY").unwrap_or_default();
    if let Some(missing) = missing(&only) {
        let wanted = ["CI", "KEYBOUND_ORACLE"].iter().any(|name| std::env::var_os(name).is_some());
        assert!(!wanted, "the oracle cannot run: {missing}");
        eprintln!("the oracle is left out: {missing}");
        return;
    }
    let fixed: Option<usize> = std::env::var("KEYBOUND_ORACLE_MUTANTS").ok().and_then(|number| number.parse().ok());
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let mut runs: Vec<Run> = Vec::new();
    for product in PRODUCTS {
        for case in cases(product) {
            let id = case.strip_prefix(root().join("testdata")).unwrap_or(&case).display().to_string();
            if !id.contains(&only) {
                continue;
            }
            let files = plan::read(&case);
            runs.push(Run::new(product, &id, 0, &files, scratch.path(), runs.len()));
            for number in 1..=fixed.unwrap_or(product.mutants) {
                // Some changes can't be made to every case; such a mutant is left out.
                if let Some(mutant) = mutate::mutant(product, &id, number, &files) {
                    runs.push(Run::new(product, &id, number, &mutant, scratch.path(), runs.len()));
                }
            }
        }
    }
    let observations = Observations::make(&runs, scratch.path(), &root().join("tests/oracle/run.py"));
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    for (run, seen) in runs.iter().zip(&observations.runs) {
        let count = counts.entry(run.product.name).or_default();
        if let Some(failed) = &seen.failed {
            wrong.push(format!("{}: could not be observed: {failed}", run.id()));
        } else if !seen.started {
            count[3] += 1;
            if run.mutant == 0 {
                wrong.push(format!("{}: the gateway does not take it: {}", run.id(), seen.error));
            }
        } else {
            count[usize::from(run.mutant > 0)] += 1;
            count[2] += seen.exchanges.len();
            let differences = compare::compare(run, seen, &observations);
            if !differences.is_empty() {
                wrong.push(format!("{}:\n{}\n{}", run.id(), differences.join("\n"), run.changed()));
            }
        }
    }
    for (product, [cases, mutants, exchanges, refused]) in &counts {
        eprintln!(
            "{product}: {cases} cases and {mutants} mutants, {exchanges} requests ({refused} mutants were refused by the \
             gateway)"
        );
    }
    if let Ok(kept) = std::env::var("KEYBOUND_ORACLE_KEEP") {
        fs::copy(scratch.path().join("observations.json"), kept).expect("observations are kept");
    }
    assert!(wrong.is_empty(), "{} of {} runs differ:\n\n{}", wrong.len(), runs.len(), wrong.join("\n\n"));
    if only.is_empty() && fixed.is_none() {
        for product in PRODUCTS {
            let [cases, mutants, ..] = counts.get(product.name).copied().unwrap_or_default();
            assert!(cases >= product.cases, "{}: only {cases} cases", product.name);
            assert!(mutants >= product.at_least, "{}: only {mutants} mutants were taken", product.name);
        }
    }
}
