//! The JSON Schema with which editors complete plans.

use std::fs;

use cutover::language::v1;
use serde_json::Value;

use crate::language::path;
use crate::registry::language;

const FILE: &str = "schemas/plan.v1.json";

#[test]
fn the_schema_is_up_to_date() {
    let schema = v1::schema(language());
    let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
    #[expect(clippy::disallowed_methods, reason = "only a person says that the file is to change")]
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    if update {
        fs::write(path(FILE), &text).expect("the file can be written");
    }
    let file = fs::read_to_string(path(FILE)).unwrap_or_default();
    assert!(
        file == text,
        "{FILE} is stale; write it anew with: UPDATE_SCHEMAS=1 cargo test --test it schema"
    );
}

/// Between these lines, `plans/README.md` contains the output of `cutover schema --markdown`.
const MARKS: [&str; 2] = ["<!-- reference: begin -->\n", "<!-- reference: end -->\n"];

#[test]
fn the_reference_is_up_to_date() {
    const FILE: &str = "plans/README.md";
    let file = fs::read_to_string(path(FILE)).expect("the document");
    let [begin, end] = MARKS;
    let (before, rest) = file.split_once(begin).expect("the reference begins");
    let (reference, after) = rest.split_once(end).expect("the reference ends");
    let wanted = v1::reference(language()) + "\n";
    #[expect(clippy::disallowed_methods, reason = "only a person says that the file is to change")]
    let update = std::env::var_os("UPDATE_SCHEMAS").is_some();
    if update {
        let text = format!("{before}{begin}{wanted}{end}{after}");
        return fs::write(path(FILE), text).expect("the file can be written");
    }
    assert!(
        reference == wanted,
        "{FILE} is stale; write it anew with: UPDATE_SCHEMAS=1 cargo test --test it schema"
    );
}

/// Calls `visit` for each property of each object of a schema, with its path.
fn properties(schema: &Value, way: &str, visit: &mut impl FnMut(&str, &Value)) {
    match schema {
        Value::Object(object) => {
            for (key, inner) in object {
                if key == "properties" {
                    for (name, property) in inner.as_object().expect("properties are an object") {
                        let way = format!("{way}.{name}");
                        visit(&way, property);
                        properties(property, &way, visit);
                    }
                } else {
                    properties(inner, way, visit);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| properties(item, way, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn each_property_has_a_description() {
    let mut count = 0;
    properties(&v1::schema(language()), "", &mut |way, property| {
        let description = property["description"].as_str().unwrap_or_default();
        assert!(description.ends_with('.') && description.len() > 10, "{way}: {description:?}");
        count += 1;
    });
    assert!(count > 60, "{count} properties");
}

#[test]
fn keys_that_are_not_built_are_not_offered() {
    properties(&v1::schema(language()), "", &mut |way, _| {
        for word in [
            ".waves",
            ".dual_delivery",
            ".hosts.after_switch",
            ".envelope",
            ".sts_refresh",
            ".max_deferral",
        ] {
            assert!(!way.ends_with(word), "{way}");
        }
    });
}

#[test]
fn objects_are_closed() {
    fn closed(schema: &Value) {
        match schema {
            Value::Object(object) => {
                if object.contains_key("properties") {
                    assert_eq!(object["additionalProperties"], Value::Bool(false), "{object:?}");
                }
                object.values().for_each(closed);
            }
            Value::Array(items) => items.iter().for_each(closed),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    closed(&v1::schema(language()));
}
