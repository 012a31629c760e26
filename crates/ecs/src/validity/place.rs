//! Places in an input: what a path such as `tags[].key` means in it.

use std::fmt;

use serde_json::Value;

/// So many places of one path are looked at. No input that is taken elsewhere has as many; one of
/// a million bytes may, and whoever sends it shall not have the time of others.
const MAX_PLACES: usize = 50_000;

/// One place, printed as `tags[3].key`; it is only made a text where something is wrong there.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    above: Option<&'p Place<'p>>,
    name: &'p str,
    index: Option<usize>,
}

/// The same with a capital first letter, as ECS writes the names of members.
pub(super) struct Capital<'p>(pub(super) &'p Place<'p>);

impl Place<'_> {
    fn write(&self, f: &mut fmt::Formatter<'_>, capital: bool) -> fmt::Result {
        match self.above {
            Some(above) => {
                above.write(f, capital)?;
                write!(f, ".{}", self.name)?;
            }
            None if capital => f.write_str(&crate::capital(self.name))?,
            None => f.write_str(self.name)?,
        }
        match self.index {
            Some(index) => write!(f, "[{index}]"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl fmt::Display for Capital<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.write(f, true)
    }
}

/// Whether a member says anything.
pub(super) fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
        Some(Value::Bool(_) | Value::Number(_)) => true,
    }
}

/// Calls `found` for every place that a path means, with what stands there. Of what is absent or
/// empty nothing can be missing.
pub(super) fn each<'a>(
    path: &str,
    input: &'a Value,
    found: &mut dyn FnMut(&Place<'_>, Option<&'a Value>),
) {
    let mut walk = Walk {
        found,
        left: MAX_PLACES,
    };
    walk.step(path, Some(input), None);
}

struct Walk<'f, 'a> {
    found: &'f mut dyn FnMut(&Place<'_>, Option<&'a Value>),
    left: usize,
}

impl<'a> Walk<'_, 'a> {
    fn step(&mut self, path: &str, value: Option<&'a Value>, above: Option<&Place<'_>>) {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let (name, is_list) = match first.strip_suffix("[]") {
            Some(name) => (name, true),
            None => (first, false),
        };
        let member = value.and_then(|value| value.get(name));
        match (is_list, member) {
            (true, Some(Value::Array(items))) => {
                for (index, item) in items.iter().enumerate() {
                    let index = Some(index);
                    self.reach(rest, Some(item), Place { above, name, index });
                }
            }
            (true, _) => {}
            (false, member) if rest.is_empty() || is_set(member) => {
                let index = None;
                self.reach(rest, member, Place { above, name, index });
            }
            (false, _) => {}
        }
    }

    fn reach(&mut self, rest: &str, value: Option<&'a Value>, place: Place<'_>) {
        let Some(left) = self.left.checked_sub(1) else {
            return;
        };
        self.left = left;
        match rest {
            "" => (self.found)(&place, value),
            rest => self.step(rest, value, Some(&place)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn places(path: &str, input: &Value) -> Vec<String> {
        let mut places = Vec::new();
        each(path, input, &mut |place, value| {
            let value = value.map_or("none".to_owned(), Value::to_string);
            places.push(format!("{place}={value}"));
        });
        places
    }

    #[test]
    fn a_path_means_what_is_there() {
        let input = json!({"a": 1, "empty": {}, "o": {"b": null}, "l": [{"c": 2}, {}, {"d": [3]}]});
        for (path, wanted) in [
            ("a", vec!["a=1"]),
            ("z", vec!["z=none"]),
            ("empty.b", vec![]),
            ("z.b", vec![]),
            ("o.b", vec!["o.b=null"]),
            ("l[].c", vec!["l[0].c=2", "l[1].c=none", "l[2].c=none"]),
            ("l[].d[]", vec!["l[2].d[0]=3"]),
            ("a[].b", vec![]),
        ] {
            assert_eq!(places(path, &input), wanted, "{path}");
        }
    }

    #[test]
    fn so_many_are_looked_at() {
        let input = json!({ "l": vec![json!({}); 2 * MAX_PLACES] });
        let mut found = 0;
        each("l[].a", &input, &mut |_, _| found += 1);
        assert_eq!(found, MAX_PLACES / 2);
    }
}
