//! Lists the rule files, so that adding a token family or a page is adding a file.

use std::path::Path;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    let mut code = String::new();
    for (name, folder) in [("TOKENS", "rules/tokens"), ("CHECKS", "rules/checks")] {
        println!("cargo:rerun-if-changed={folder}");
        let folder = Path::new(&root).join(folder);
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|e| panic!("{}: {e}", folder.display()))
            .map(|entry| entry.expect("a readable folder entry").path())
            .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
            .collect();
        files.sort();
        code += &format!("/// Name and text of every embedded file of `{name}`.\n");
        code += &format!("pub(super) static {name}: &[(&str, &str)] = &[\n");
        for path in files {
            let file = path.file_name().expect("a file name").to_string_lossy();
            code += &format!("    ({:?}, include_str!({:?})),\n", file, path);
        }
        code += "];\n";
    }
    fs::write(Path::new(&out).join("embedded.rs"), code).expect("OUT_DIR is writable");
}
