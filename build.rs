//! Embeds the rule files, so that adding a token family or a page is adding a file. Their YAML is parsed here: at every
//! start of keybound it would take longer than a small scan.

use std::path::Path;
use std::{env, fs};

use syntax::{packed, yaml};

/// For the modules below, which know each other by these names.
#[path = "src/span.rs"]
#[allow(dead_code, unreachable_pub)]
mod span;
#[path = "src/syntax"]
#[allow(dead_code, unreachable_pub)]
mod syntax {
    pub mod packed;
    pub mod yaml;
}

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let mut code = String::new();
    for source in ["build.rs", "src/span.rs", "src/syntax/packed.rs", "src/syntax/yaml.rs"] {
        println!("cargo:rerun-if-changed={source}");
    }
    for (name, place) in
        [("TOKENS", "rules/tokens"), ("CHECKS", "rules/checks"), ("TAXONOMIES", "rules/taxonomies.yaml")]
    {
        println!("cargo:rerun-if-changed={place}");
        let path = Path::new(&root).join(place);
        let folder = path.is_dir();
        let mut files: Vec<_> = if folder {
            fs::read_dir(&path)
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
                .map(|entry| entry.expect("a readable folder entry").path())
                .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
                .collect()
        } else {
            vec![path]
        };
        files.sort();
        code += &format!("/// Name and packed tree of every embedded file of `{place}`.\n");
        code += &format!("pub(super) static {name}: &[(&str, &[u8])] = &[\n");
        for path in files {
            let file = path.file_name().expect("a file name").to_string_lossy();
            let shown = if folder { format!("{place}/{file}") } else { place.to_owned() };
            let packed = Path::new(&out).join(format!("{name}-{file}.packed"));
            fs::write(&packed, packed::pack(&tree(&path, &shown))).expect("OUT_DIR is writable");
            code += &format!("    ({shown:?}, include_bytes!({packed:?})),\n");
        }
        code += "];\n";
    }
    fs::write(Path::new(&out).join("embedded.rs"), code).expect("OUT_DIR is writable");
}

/// The one document of a rule file. What is in it is checked by whoever reads it.
fn tree(path: &Path, shown: &str) -> yaml::Node {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{shown}: {e}"));
    let mut stream = yaml::parse(&text);
    if let Some((place, what)) = stream.error {
        panic!("{shown}:{}:{}: {what}", place.line, place.column);
    }
    assert!(stream.documents.len() == 1, "{shown}: one document is expected");
    stream.documents.remove(0)
}
