//! The findings of `check` for machines that show them beside the lines of a plan: SARIF 2.1.0, and
//! the workflow commands of GitHub Actions.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::failure::{Entry, Place, Severity};
use crate::diag::escape_control;

/// A finding, and the plan that was checked.
pub(super) type Finding<'a> = (&'a Path, Entry);

/// A log of the Static Analysis Results Interchange Format (OASIS, SARIF 2.1.0).
pub(super) fn sarif(findings: &[Finding<'_>]) -> String {
    let mut codes: Vec<&str> = findings.iter().map(|(_, entry)| entry.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let rules: Vec<Value> = codes.iter().map(|code| json!({ "id": code })).collect();
    let results: Vec<Value> = findings.iter().map(result).collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "cutover",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_string_pretty(&log).expect("texts and numbers are always written") + "\n"
}

fn result((path, entry): &Finding<'_>) -> Value {
    let Entry { code, severity, place, .. } = entry;
    let (file, region) = match place {
        Some(Place { file, line, column, end_line, end_column }) => (
            Path::new(file),
            json!({
                "startLine": line,
                "startColumn": column,
                "endLine": end_line,
                "endColumn": end_column,
            }),
        ),
        // A viewer drops a result that has no place.
        None => (*path, json!({ "startLine": 1 })),
    };
    json!({
        "ruleId": code,
        "level": severity.word(),
        "message": { "text": said(entry) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(file) },
            "region": region,
        } }],
    })
}

/// What is wrong, why it matters, and what to do.
fn said(entry: &Entry) -> String {
    let Entry { code: _, severity: _, message, details, why, help, place: _ } = entry;
    let mut lines = vec![message.clone()];
    lines.extend(details.iter().cloned());
    lines.extend(why.clone());
    if let Some((first, rest)) = help.split_first() {
        lines.push(format!("help: {first}"));
        lines.extend(rest.iter().cloned());
    }
    escape_control(&lines.join("\n"))
}

/// A path as a URI reference (RFC 3986): relative to where the plans were checked, as they were.
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    if path.is_absolute() {
        uri += "file://";
    }
    for octet in path.as_os_str().as_encoded_bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(*octet));
            }
            _ => {
                let _ = write!(uri, "%{octet:02X}");
            }
        }
    }
    uri
}

/// Workflow commands of GitHub Actions, a line for each finding.
///
/// Source: docs.github.com, "Workflow commands for GitHub Actions", and the escapes of
/// `actions/toolkit`, `packages/core/src/command.ts`.
pub(super) fn github(findings: &[Finding<'_>]) -> String {
    findings.iter().map(command).collect()
}

fn command((path, entry): &Finding<'_>) -> String {
    let level = match entry.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let file = match &entry.place {
        Some(place) => place.file.clone(),
        None => path.display().to_string(),
    };
    let mut properties = format!("file={}", escaped(&escape_control(&file), &[':', ',']));
    match &entry.place {
        // Columns count only within a line.
        Some(Place { file: _, line, column, end_line, end_column }) if line == end_line => {
            properties += &format!(",line={line},col={column},endColumn={end_column}");
        }
        Some(Place { line, end_line, .. }) => {
            properties += &format!(",line={line},endLine={end_line}");
        }
        None => {}
    }
    let code = escaped(entry.code, &[':', ',']);
    format!("::{level} {properties},title={code}::{}\n", escaped(&said(entry), &[]))
}

/// With the characters escaped that end a command, and these.
fn escaped(text: &str, also: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c == '%' || c == '\r' || c == '\n' || also.contains(&c) {
            false => escaped.push(c),
            true => {
                let _ = write!(escaped, "%{:02X}", u32::from(c));
            }
        }
    }
    escaped
}
