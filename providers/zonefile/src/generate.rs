//! `$GENERATE`: ranges, and templates that are filled in with their numbers.
//!
//! The rules are BIND's (`lib/dns/master.c`, functions `generate`, `genname` and `nibbles`; ARM,
//! "BIND Primary File Extension: the $GENERATE Directive"). `$` is the number, and `$$` and `\$`
//! are a dollar sign. `${offset,width,base}` is the number plus an offset, padded with zeros, in
//! base `d`, `o`, `x`, `X`, or as reversed nibbles `n`, `N`.

use std::fmt::Write as _;

/// The most digits or nibbles that a number is padded to: no name or text can hold more.
const WIDTH_MAX: usize = 255;

/// The numbers of a range: inclusive at both ends, as `$GENERATE` writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    first: u32,
    last: u32,
    step: u32,
}

impl Range {
    /// Reads `first-last` or `first-last/step`; all numbers are below 2³¹.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (numbers, step) = text.split_once('/').unwrap_or((text, "1"));
        let (first, last) = numbers.split_once('-')?;
        let [first, last, step] = [first, last, step].map(number);
        let range = Self { first: first?, last: last?, step: step? };
        (range.first <= range.last && range.step > 0).then_some(range)
    }

    /// The number of its numbers.
    pub(crate) fn count(self) -> usize {
        ((self.last - self.first) / self.step) as usize + 1
    }

    /// Its numbers.
    pub(crate) fn numbers(self) -> impl Iterator<Item = u32> {
        (self.first..=self.last).step_by(self.step as usize)
    }
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|number| digits && *number <= i32::MAX as u32)
}

/// Why a template cannot be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A modifier in another form.
    #[error(
        "a modifier must be ${{offset}}, ${{offset,width}} or ${{offset,width,base}} \
        with a base of d, o, x, X, n or N"
    )]
    Modifier,
    /// A width that is larger than anything that can hold it.
    #[error("a number is padded to at most {WIDTH_MAX} digits")]
    Width,
    /// A number below zero, or above 2³¹ − 1.
    #[error("the offset leads outside the range 0 to 2147483647")]
    Offset,
}

/// Fills in a template with a number.
pub(crate) fn fill(template: &str, number: u32) -> Result<String, TemplateError> {
    let mut text = String::with_capacity(template.len() + 8);
    let mut rest = template;
    while let Some(at) = rest.find(['$', '\\']) {
        text.push_str(&rest[..at]);
        let found = &rest[at..];
        if let Some(tail) = found.strip_prefix('\\') {
            // An escape stays as it is, whatever it escapes.
            let length = 1 + tail.chars().next().map_or(0, char::len_utf8);
            text.push_str(&found[..length]);
            rest = &found[length..];
        } else if let Some(tail) = found.strip_prefix("$$") {
            text.push('$');
            rest = tail;
        } else if let Some(tail) = found.strip_prefix("${") {
            let (modifier, tail) = tail.split_once('}').ok_or(TemplateError::Modifier)?;
            push_modified(modifier, number, &mut text)?;
            rest = tail;
        } else {
            text.push_str(&number.to_string());
            rest = &found[1..];
        }
    }
    text.push_str(rest);
    Ok(text)
}

fn push_modified(modifier: &str, start: u32, text: &mut String) -> Result<(), TemplateError> {
    let mut parts = modifier.split(',');
    let offset = parts.next().unwrap_or_default();
    let width = parts.next().unwrap_or("0");
    let base = parts.next().unwrap_or("d");
    if parts.next().is_some() {
        return Err(TemplateError::Modifier);
    }
    let offset: i64 = offset.parse().map_err(|_| TemplateError::Modifier)?;
    let width = number(width).ok_or(TemplateError::Modifier)? as usize;
    if width > WIDTH_MAX {
        return Err(TemplateError::Width);
    }
    let moved = i64::from(start).checked_add(offset).ok_or(TemplateError::Offset)?;
    let value = u32::try_from(moved)
        .ok()
        .filter(|value| *value <= i32::MAX as u32)
        .ok_or(TemplateError::Offset)?;
    match base {
        "d" => write!(text, "{value:0width$}"),
        "o" => write!(text, "{value:0width$o}"),
        "x" => write!(text, "{value:0width$x}"),
        "X" => write!(text, "{value:0width$X}"),
        "n" => text.write_str(&nibbles(value, width)),
        "N" => text.write_str(&nibbles(value, width).to_ascii_uppercase()),
        _ => return Err(TemplateError::Modifier),
    }
    .expect("writing to a String does not fail");
    Ok(())
}

/// The hexadecimal digits of the number, lowest first, separated by dots; `width` counts the dots.
fn nibbles(mut value: u32, mut width: usize) -> String {
    let mut text = String::new();
    loop {
        text.push(char::from_digit(value & 0xf, 16).expect("a nibble is below 16"));
        value >>= 4;
        width = width.saturating_sub(1);
        if width == 0 && value == 0 {
            return text;
        }
        text.push('.');
        width = width.saturating_sub(1);
        if width == 0 && value == 0 {
            return text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_inclusive_and_have_steps() {
        for (text, numbers) in [
            ("1-3", Some(vec![1, 2, 3])),
            ("0-5/2", Some(vec![0, 2, 4])),
            ("7-7/9", Some(vec![7])),
            ("3-1", None),
            ("1-3/0", None),
            ("1", None),
            ("1-", None),
            ("-1-3", None),
            ("0-2147483648", None),
            ("1-3/", None),
        ] {
            let range = Range::parse(text);
            assert_eq!(range.map(|range| range.numbers().collect()), numbers, "{text}");
            assert_eq!(range.map(Range::count), numbers.map(|n| n.len()), "{text}");
        }
        let largest = Range::parse("0-2147483647").map(Range::count);
        assert_eq!(largest, Some(2_147_483_648));
    }

    #[test]
    fn templates_are_filled_in_as_bind_does() {
        for (template, number, filled) in [
            ("host-$", 7, Ok("host-7")),
            ("$.$", 7, Ok("7.7")),
            ("a$$b\\$c", 7, Ok("a$b\\$c")),
            ("${1}", 7, Ok("8")),
            ("${-7}", 7, Ok("0")),
            ("${-8}", 7, Err(TemplateError::Offset)),
            ("${0,3}", 7, Ok("007")),
            ("${0,3,d}", 7, Ok("007")),
            ("${0,2,o}", 8, Ok("10")),
            ("${0,4,x}", 255, Ok("00ff")),
            ("${0,0,X}", 255, Ok("FF")),
            ("${0,3,n}", 0x1f, Ok("f.1")),
            ("${0,8,N}", 0x1f, Ok("F.1.0.0.")),
            ("${0,0,n}", 0x1f, Ok("f.1")),
            ("${0,0,q}", 1, Err(TemplateError::Modifier)),
            ("${}", 1, Err(TemplateError::Modifier)),
            ("${1", 1, Err(TemplateError::Modifier)),
            ("${0,9999999}", 1, Err(TemplateError::Width)),
            ("${2147483647}", 1, Err(TemplateError::Offset)),
            ("\\", 1, Ok("\\")),
        ] {
            assert_eq!(fill(template, number), filled.map(str::to_owned), "{template}");
        }
    }
}
