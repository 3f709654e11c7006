//! LOC: a location on Earth (RFC 1876).
//!
//! On the wire: the version, 0; size, horizontal and vertical precision in centimetres, each as a
//! decimal digit and a power of ten; latitude and longitude in thousandths of an arc second, offset
//! by 2³¹; the altitude in centimetres above a level 100 km below the reference spheroid.
//!
//! A size with two significant digits is refused. Other software drops the second digit, but we
//! never adapt silently what a record cannot hold.

use std::fmt::Write as _;

use super::read::number;
use super::show;
use super::words::{Complaint, Words};

/// Octets of the rdata (RFC 1876 §2).
const OCTETS: usize = 16;
/// The equator and the prime meridian (RFC 1876 §2).
const ZERO_ARC: u32 = 1 << 31;
/// Thousandths of a second of arc in a degree, and in a minute.
const DEGREE: u32 = 3_600_000;
const MINUTE: u32 = 60_000;
/// The largest latitude, north or south, and longitude, east or west, in degrees.
const LATITUDE_MAX: u32 = 90;
const LONGITUDE_MAX: u32 = 180;
/// Centimetres from the lowest altitude to the spheroid (RFC 1876 §2: 100 000 m).
const ZERO_ALTITUDE_CM: i64 = 10_000_000;
/// The wire form of the defaults: size 1 m, horizontal precision 10 000 m, vertical precision 10 m
/// (RFC 1876 §3).
const DEFAULTS: [(&str, u8); 3] =
    [("size", 0x12), ("horizontal precision", 0x16), ("vertical precision", 0x13)];

/// Whether the octets are a LOC.
pub(super) fn check(wire: &[u8]) -> Result<(), Complaint> {
    if wire.len() != OCTETS {
        return Err(format!("has {} octets instead of {OCTETS}", wire.len()));
    }
    if wire[0] != 0 {
        return Err("is not of version 0".to_owned());
    }
    for ((what, _), octet) in DEFAULTS.iter().zip(&wire[1..4]) {
        let (digit, power) = (octet >> 4, octet & 15);
        // Zero has only one form; otherwise two LOC that read the same could differ.
        if digit > 9 || power > 9 || (digit == 0 && power > 0) {
            return Err(format!("has a {what} that is not a digit and a power of ten"));
        }
    }
    for (what, at, degrees_max) in [("latitude", 4, LATITUDE_MAX), ("longitude", 8, LONGITUDE_MAX)]
    {
        if show::number(&wire[at..at + 4]).abs_diff(ZERO_ARC) > degrees_max * DEGREE {
            return Err(format!("has a {what} beyond {degrees_max} degrees"));
        }
    }
    Ok(())
}

/// Appends a LOC that [`check`] accepts, with all its fields.
pub(super) fn show(wire: &[u8], text: &mut String) {
    let altitude = i64::from(show::number(&wire[12..16])) - ZERO_ALTITUDE_CM;
    let sign = if altitude < 0 { "-" } else { "" };
    write!(
        text,
        "{} {} {sign}{}",
        arc(&wire[4..8], ["N", "S"]),
        arc(&wire[8..12], ["E", "W"]),
        metres(altitude.unsigned_abs()),
    )
    .expect("writing to a String does not fail");
    for octet in &wire[1..4] {
        let centimetres = u64::from(octet >> 4) * 10_u64.pow(u32::from(octet & 15));
        text.push(' ');
        text.push_str(&metres(centimetres));
    }
}

fn arc(wire: &[u8], [above, below]: [&str; 2]) -> String {
    let number = show::number(wire);
    let side = if number < ZERO_ARC { below } else { above };
    let arc = number.abs_diff(ZERO_ARC);
    let (degrees, minutes) = (arc / DEGREE, arc % DEGREE / MINUTE);
    let (seconds, thousandths) = (arc % MINUTE / 1000, arc % 1000);
    format!("{degrees} {minutes} {seconds}.{thousandths:03} {side}")
}

fn metres(centimetres: u64) -> String {
    format!("{}.{:02}m", centimetres / 100, centimetres % 100)
}

/// Reads `d1 [m1 [s1]] {N|S} d2 [m2 [s2]] {E|W} alt[m] [size[m] [hp[m] [vp[m]]]]` (RFC 1876 §3).
pub(super) fn read(words: &mut Words<'_>, wire: &mut Vec<u8>) -> Result<(), Complaint> {
    let latitude = read_arc(words, "latitude", LATITUDE_MAX, ["N", "S"])?;
    let longitude = read_arc(words, "longitude", LONGITUDE_MAX, ["E", "W"])?;
    let altitude = read_altitude(words.plain()?)
        .ok_or("has an altitude that is not in metres from -100000.00 to 42849672.95")?;
    wire.push(0);
    for (what, default) in DEFAULTS {
        wire.push(match words.is_empty() {
            true => default,
            false => read_size(words.plain()?).map_err(|why| format!("has a {what} that {why}"))?,
        });
    }
    for number in [latitude, longitude, altitude] {
        wire.extend(number.to_be_bytes());
    }
    Ok(())
}

fn read_arc(
    words: &mut Words<'_>,
    what: &str,
    degrees_max: u32,
    [above, below]: [&str; 2],
) -> Result<u32, Complaint> {
    let bad = |part: &str| format!("has a {what} whose {part}");
    let degrees = number(words.plain()?, degrees_max).map_err(|why| bad("degree ") + &why)?;
    let mut arc = degrees * DEGREE;
    let mut side = words.plain()?;
    if side.starts_with(|c: char| c.is_ascii_digit()) {
        arc += MINUTE * number(side, 59).map_err(|why| bad("minute ") + &why)?;
        side = words.plain()?;
        if side.starts_with(|c: char| c.is_ascii_digit()) {
            let second = decimal(side, 3).and_then(|n| u32::try_from(n).ok());
            let second = second.filter(|thousandths| *thousandths < MINUTE);
            arc += second.ok_or_else(|| bad("second is not a number from 0 to 59.999"))?;
            side = words.plain()?;
        }
    }
    // ZERO_ARC is far above 180 degrees, so nothing wraps. `check` refuses 90 degrees and 1 second.
    match side {
        _ if side.eq_ignore_ascii_case(above) => Ok(ZERO_ARC + arc),
        _ if side.eq_ignore_ascii_case(below) => Ok(ZERO_ARC - arc),
        _ => Err(format!("has a {what} without `{above}` or `{below}`")),
    }
}

fn read_altitude(word: &str) -> Option<u32> {
    let metres = word.strip_suffix('m').unwrap_or(word);
    let (sign, metres) = match metres.strip_prefix('-') {
        Some(metres) => (-1, metres),
        None => (1, metres),
    };
    let centimetres = i64::try_from(decimal(metres, 2)?).ok()?;
    u32::try_from(ZERO_ALTITUDE_CM + sign * centimetres).ok()
}

fn read_size(word: &str) -> Result<u8, Complaint> {
    let mut digit = decimal(word.strip_suffix('m').unwrap_or(word), 2).ok_or("is not in metres")?;
    let mut power = 0;
    while digit > 9 {
        if digit % 10 != 0 {
            return Err("has more than one significant digit, which LOC cannot hold".to_owned());
        }
        digit /= 10;
        power += 1;
    }
    match u8::try_from(digit).ok().filter(|_| power <= 9) {
        Some(digit) => Ok(digit << 4 | power),
        None => Err("is above 90000000 m".to_owned()),
    }
}

/// A decimal number without a sign and with at most `places` decimals, times 10^`places`.
fn decimal(text: &str, places: usize) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || fraction.len() > places {
        return None;
    }
    let whole = u64::from(number(whole, u32::MAX).ok()?);
    let fraction = u64::from(number(&format!("{fraction:0<places$}"), u32::MAX).ok()?);
    let scale = 10_u64.pow(u32::try_from(places).ok()?);
    Some(whole * scale + fraction)
}
