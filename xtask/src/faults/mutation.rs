//! Changes at random what kaiwo reads: its files, and what the API server answers.

use serde_json::Value;

use super::random::Random;

/// Pieces that mean something to some parser.
const PIECES: [&str; 28] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "\n",
    "\r\n",
    ": ",
    "- ",
    "&a ",
    "*a",
    "!!int ",
    "---\n",
    "|\n",
    "\0",
    "\u{202e}",
    "\u{1b}[2J",
    "99999999999999999999",
    "-1",
    "1e9",
    "null",
    "{{",
    "%}",
    "\\",
    "\t",
    ",",
    "<<: ",
];

/// Values of a kind that nobody expects there.
fn values() -> Vec<Value> {
    let deep = (0..60).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
    vec![
        Value::Null,
        true.into(),
        (-1).into(),
        0.into(),
        u64::MAX.into(),
        1.5e300.into(),
        "".into(),
        "\u{1b}]0;title\u{7}\u{202e}".into(),
        "x".repeat(100_000).into(),
        "2999-99-99T99:99:99Z".into(),
        Value::Array(Vec::new()),
        Value::Object(serde_json::Map::new()),
        deep,
        vec!["a"; 3].into(),
    ]
}

/// Changes an answer: mostly a value somewhere in it, sometimes its bytes.
pub fn answer(body: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) if random.below(8) > 0 => {
            for _ in 0..=random.below(3) {
                one_value(&mut value, &mut random);
            }
            value.to_string().into_bytes()
        }
        _ => text(&String::from_utf8_lossy(body), &mut random).into_bytes(),
    }
}

/// Changes a value somewhere within another.
fn one_value(value: &mut Value, random: &mut Random) {
    // Deeper with every step, and changed where the way ends.
    let goes_on = random.below(6) > 0;
    match value {
        Value::Object(fields) if goes_on && !fields.is_empty() => {
            let keys: Vec<String> = fields.keys().cloned().collect();
            let key = random.one(&keys);
            match random.below(10) {
                0 => drop(fields.remove(key)),
                1 => {
                    let moved = fields.remove(key).unwrap_or_default();
                    fields.insert(format!("{key}\u{202e}"), moved);
                }
                _ => one_value(&mut fields[key.as_str()], random),
            }
        }
        Value::Array(items) if goes_on && !items.is_empty() => {
            let at = random.below(items.len());
            match random.below(10) {
                0 => drop(items.remove(at)),
                1 => {
                    let item = items[at].clone();
                    items.extend(std::iter::repeat_n(item, 50));
                }
                _ => one_value(&mut items[at], random),
            }
        }
        other => *other = random.one(&values()).clone(),
    }
}

/// Changes a text in a few places; two times of three so that it may still be understood.
pub fn text(text: &str, random: &mut Random) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    if random.below(3) > 0 {
        mildly(&mut chars, random);
        return chars.into_iter().collect();
    }
    for _ in 0..=random.below(4) {
        let at = random.below(chars.len() + 1);
        let end = (at + random.below(20)).min(chars.len());
        let piece: Vec<char> = random.one(&PIECES).chars().collect();
        let part = chars[at..end].to_vec();
        let middle = match random.below(6) {
            0 => Vec::new(),
            1 => [part.clone(), part].concat(),
            2 | 3 => [piece, part].concat(),
            4 => piece,
            _ => part.iter().rev().copied().collect(),
        };
        chars.splice(at..end, middle);
    }
    chars.into_iter().collect()
}

/// Changes what a text says, and hardly its form.
fn mildly(chars: &mut Vec<char>, random: &mut Random) {
    let places = |is_one: fn(&char) -> bool| -> Vec<usize> {
        let all = chars.iter().enumerate();
        all.filter(|(_, one)| is_one(one))
            .map(|(at, _)| at)
            .collect()
    };
    let (digits, letters) = (
        places(char::is_ascii_digit),
        places(char::is_ascii_lowercase),
    );
    let spaces = places(|one| *one == ' ');
    match random.below(4) {
        0 if !digits.is_empty() => chars[*random.one(&digits)] = *random.one(&['0', '2', '7']),
        1 if !letters.is_empty() => chars[*random.one(&letters)] = *random.one(&['a', 'x', 'é']),
        2 if !spaces.is_empty() => chars.insert(*random.one(&spaces), ' '),
        _ => chars.extend("\n# one more line\n".chars()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_change_and_mostly_stay_json() {
        let body = br#"{"kind":"List","items":[{"metadata":{"name":"a","labels":{"b":"c"}},"spec":{"n":1}}]}"#;
        let changed: Vec<Vec<u8>> = (0..100).map(|seed| answer(body, seed)).collect();
        let is_json = |text: &&Vec<u8>| serde_json::from_slice::<Value>(text).is_ok();
        assert!(changed.iter().filter(is_json).count() > 70);
        assert!(
            changed
                .iter()
                .filter(|text| text.as_slice() != body)
                .count()
                > 80
        );
        assert_eq!(answer(body, 5), answer(body, 5));
    }

    #[test]
    fn texts_of_any_kind_can_be_changed() {
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let _ = text("", &mut random);
            let _ = text("é: ü\n", &mut random);
        }
    }
}
