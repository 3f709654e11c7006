//! The README's output is real: each block that says where it comes from is compared with a run.

use std::path::Path;
use std::process::Command;

/// A marker in front of a block: `` <!-- `cutover ARGS`, lines A to B --> ``.
struct Block {
    args: Vec<String>,
    from: usize,
    to: usize,
    text: String,
}

fn blocks(readme: &str) -> Vec<Block> {
    let parts = readme.split("<!-- `cutover ").skip(1);
    parts
        .map(|part| {
            let (args, rest) = part.split_once("`, lines ").expect("a marker names its lines");
            let (from, rest) = rest.split_once(" to ").expect("a marker names its lines");
            let (to, rest) = rest.split_once(" -->").expect("a marker ends");
            let block = rest.trim_start().strip_prefix("```text\n").expect("a block follows");
            Block {
                args: args.split_whitespace().map(str::to_owned).collect(),
                from: from.parse().expect("a number"),
                to: to.parse().expect("a number"),
                text: block.split("\n```").next().expect("a block ends").to_owned(),
            }
        })
        .collect()
}

#[test]
fn every_output_in_the_readme_is_what_the_program_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).expect("the README");
    let blocks = blocks(&readme);
    assert!(blocks.len() >= 5, "the README shows real output");
    for Block { args, from, to, text } in blocks {
        let output = Command::new(env!("CARGO_BIN_EXE_cutover"))
            .args(&args)
            .current_dir(root)
            .output()
            .expect("the program can be run");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).expect("text");
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[from - 1..to].join("\n"), text, "{args:?}, lines {from} to {to}");
    }
}
