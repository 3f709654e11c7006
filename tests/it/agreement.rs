//! Decoder and JSON Schema agree on every plan, except about its meaning.
//!
//! Both read the same JSON text (JSON is YAML): the plans of the workspace, and mutations of plans
//! that use every key. A disagreement prints the seed and the document.

use cutover::diag::Source;
use cutover::language::v1;
use cutover::language::yaml::{self, Kind, Node};
use jsonschema::Validator;
use serde_json::{Map, Number, Value, json};

use crate::language::{assert_well_formed, findings, plan, plans};
use crate::registry::language;

/// Number of mutations. Our choice: some ten seconds in a slow build.
const MUTATIONS: u64 = 10_000;

fn validator() -> Validator {
    jsonschema::validator_for(&v1::schema(language())).expect("our schema is a schema")
}

/// The JSON of a node; `None` if a key is not a text, which JSON cannot express.
fn json_of(node: &Node) -> Option<Value> {
    Some(match &node.kind {
        Kind::Null => Value::Null,
        Kind::Bool(value) => json!(value),
        Kind::Int(value) => json!(value),
        Kind::Float(value) => Number::from_f64(*value).map(Value::Number)?,
        Kind::Text(value) => json!(value),
        Kind::List(items) => Value::Array(items.iter().map(json_of).collect::<Option<_>>()?),
        Kind::Map(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let Kind::Text(key) = &key.kind else { return None };
                map.insert(key.clone(), json_of(value)?);
            }
            Value::Object(map)
        }
    })
}

/// Checks that decoder and schema agree. Returns whether the plan is well-formed.
fn agree(value: &Value, validator: &Validator, context: &str) -> bool {
    let source = Source::new("mutation.json", value.to_string());
    let found = findings(&source);
    for diagnostic in &found {
        assert_well_formed(diagnostic, &source);
    }
    let decoder = found.iter().all(|diagnostic| diagnostic.code.semantic);
    let schema = validator.iter_errors(value).map(|error| error.to_string()).next();
    assert!(
        decoder == schema.is_none(),
        "{context}: the decoder says {found:#?}, the schema says {schema:?}, of\n{value:#}"
    );
    decoder
}

#[test]
fn about_every_plan_of_the_workspace() {
    let validator = validator();
    let directories = ["plans", "tests/fixtures/valid", "tests/fixtures/invalid"];
    let all = directories.into_iter().flat_map(plans);
    let mut count = 0;
    for source in all.chain([plan("tests/fixtures/example-plan.yaml")]) {
        // A text that is not YAML, or whose keys JSON cannot have, cannot be checked by the schema.
        let Some(value) = yaml::parse(&source.text).ok().and_then(|node| json_of(&node)) else {
            continue;
        };
        agree(&value, &validator, &source.name);
        count += 1;
    }
    assert!(count > 40, "{count} plans");
}

#[test]
fn about_every_mutation() {
    let validator = validator();
    let whole: Vec<Value> = plans("tests/fixtures/valid")
        .iter()
        .map(|source| json_of(&yaml::parse(&source.text).expect("YAML")).expect("keys of text"))
        .collect();
    let mut good = 0;
    for seed in 0..MUTATIONS {
        let mut dice = Dice(seed);
        let mut value = whole[dice.below(whole.len())].clone();
        for _ in 0..=dice.below(3) {
            mutate(&mut value, &whole, &mut dice);
        }
        good += u64::from(agree(&value, &validator, &format!("seed {seed}")));
    }
    // If nearly all were valid, or nearly all invalid, little would have been tested.
    assert!((MUTATIONS / 20..MUTATIONS * 19 / 20).contains(&good), "{good} are well-formed");
}

#[test]
fn the_whole_plans_use_every_key() {
    fn keys<'v>(value: &'v Value, into: &mut Vec<&'v str>) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                into.push(key);
                keys(value, into);
            }),
            Value::Array(items) => items.iter().for_each(|item| keys(item, into)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    fn wanted(schema: &Value, used: &[&str]) {
        match schema {
            Value::Object(map) => {
                if let Some(properties) = map.get("properties").and_then(Value::as_object) {
                    for key in properties.keys() {
                        assert!(used.contains(&key.as_str()), "no whole plan uses `{key}`");
                    }
                }
                map.values().for_each(|value| wanted(value, used));
            }
            Value::Array(items) => items.iter().for_each(|item| wanted(item, used)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let sources = plans("tests/fixtures/valid");
    let values: Vec<Value> = sources
        .iter()
        .map(|source| json_of(&yaml::parse(&source.text).expect("YAML")).expect("keys of text"))
        .collect();
    let mut used = Vec::new();
    values.iter().for_each(|value| keys(value, &mut used));
    wanted(&v1::schema(language()), &used);
}

/// Texts that often cause trouble.
const NASTY: &[&str] = &[
    "",
    " ",
    "\t",
    "\n",
    "a\nb",
    "a\n",
    "\r",
    "a\r\nb",
    "\0",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}",
    "\u{9b}x",
    "\u{a0}",
    "\u{2028}",
    "\u{202e}x",
    "\u{feff}",
    "\u{feff}a",
    "é",
    "日本",
    "𝒳",
    "null",
    "~",
    "true",
    "no",
    "1",
    "1.0",
    "0x10",
    "1_000",
    ".inf",
    "-",
    "- a",
    "a: b",
    "# x",
    "*a",
    "&a",
    "!x",
    "<<",
    "{domain}",
    "{",
    "%TAG",
    "---",
    "...",
    "'",
    "\"",
    "\\",
    "a\\.b",
    "..",
    ".",
    "@",
    "A",
    "-a",
    "_a",
    "a-",
    "a b",
    "5m",
    "5 m",
    "1h 30m",
    "1h  30m",
    "5m ",
    "5m\n",
    "9999999999s",
    "999999999w",
    "0s",
    "３m",
    "-5m",
    "system",
    "none",
    "System",
    "zonefile",
    "rfc2136",
    "expand",
    "record:",
    "record:web",
    "clients",
    "wave:a",
    "MX",
    "NS",
    "TYPE0",
    "TYPE99999",
    "::1",
    "[::1]:53",
    "192.0.2.1",
    "acme.test",
    "old",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Keys that are put where they do not belong.
const KEYS: &[&str] = &[
    "type",
    "name",
    "version",
    "env",
    "file",
    "command",
    "spf",
    "to",
    "absent",
    "with",
    "after",
    "waves",
    "gates",
    "profile",
    "window",
    "recipients",
    "sts_refresh",
    "x",
    "",
    "Name",
    "nmae",
    "<<",
    "\n",
];

fn number(dice: &mut Dice) -> Value {
    match dice.below(12) {
        0 => json!(0),
        1 => json!(1),
        2 => json!(1.0),
        3 => json!(-1),
        4 => json!(1.5),
        5 => json!(65_535),
        6 => json!(65_536),
        7 => json!(i64::MAX),
        8 => json!(i64::MIN),
        9 => json!(u64::MAX),
        10 => json!(1e300),
        _ => json!(-0.0),
    }
}

fn scalar(dice: &mut Dice) -> Value {
    match dice.below(6) {
        0 => Value::Null,
        1 => json!(dice.below(2) == 0),
        2 => number(dice),
        _ => json!(*dice.one(NASTY)),
    }
}

/// Changes one value of a document.
fn mutate(value: &mut Value, whole: &[Value], dice: &mut Dice) {
    let count = count_values(value);
    let subtree = {
        let other = dice.one(whole);
        at(&mut other.clone(), &mut dice.below(count_values(other))).cloned().unwrap_or_default()
    };
    let Some(place) = at(value, &mut dice.below(count)) else { return };
    match (dice.below(10), &mut *place) {
        (0..=2, Value::Object(map)) if !map.is_empty() => {
            let key = map.keys().nth(dice.below(map.len())).cloned().unwrap_or_default();
            let inner = map.remove(&key).unwrap_or_default();
            match dice.below(3) {
                0 => {}
                1 => {
                    map.insert((*dice.one(KEYS)).to_owned(), inner);
                }
                _ => {
                    map.insert(format!("{key}x"), inner);
                }
            }
        }
        (3..=5, Value::Object(map)) => {
            let inner = if dice.below(2) == 0 { scalar(dice) } else { subtree };
            map.insert((*dice.one(KEYS)).to_owned(), inner);
        }
        (6, Value::Object(map)) => map.clear(),
        (0..=1, Value::Array(items)) => items.clear(),
        (2..=4, Value::Array(items)) if !items.is_empty() => {
            let item = dice.one(items).clone();
            items.push(item);
        }
        (5, Value::Array(items)) if !items.is_empty() => {
            items.swap_remove(dice.below(items.len()));
        }
        (6..=7, Value::Array(items)) => items.push(scalar(dice)),
        (0, place) => *place = subtree,
        (1, place) => *place = json!([place.clone()]),
        (2, place) => *place = json!({}),
        (3, Value::Number(place)) => *place = Number::from(7),
        (4..=7, Value::String(text)) => match dice.below(3) {
            0 => *text = (*dice.one(NASTY)).to_owned(),
            1 => text.push_str(dice.one::<&str>(NASTY)),
            _ => *text = text.to_uppercase(),
        },
        (_, place) => *place = scalar(dice),
    }
}

/// The number of values in a document.
fn count_values(value: &Value) -> usize {
    1 + match value {
        Value::Object(map) => map.values().map(count_values).sum::<usize>(),
        Value::Array(items) => items.iter().map(count_values).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The value with this number, in the order of the text.
fn at<'v>(value: &'v mut Value, number: &mut usize) -> Option<&'v mut Value> {
    if *number == 0 {
        return Some(value);
    }
    *number -= 1;
    match value {
        Value::Object(map) => map.values_mut().find_map(|inner| at(inner, number)),
        Value::Array(items) => items.iter_mut().find_map(|inner| at(inner, number)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// SplitMix64: each seed makes one document.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("64 bits");
        usize::try_from(self.next() % bound).expect("below a usize")
    }

    pub(crate) fn one<'o, T>(&mut self, of: &'o [T]) -> &'o T {
        &of[self.below(of.len())]
    }
}
