//! Where the fields stand in the payloads of a fleet that has another layout.

use serde_json::{Map, Value};

use super::fields::Field;

/// The most levels of a path: it is walked by recursion, and nobody's payload is deeper.
pub const MAX_PATH_LEVELS: usize = 8;

/// Where each field stands in a payload, as a path of keys from the outermost map; of a buffered
/// flush, from each entry. By default each field stands there under its own name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldPaths {
    /// None while every field is where it belongs, which is read without looking anything up.
    places: Option<Places>,
}

/// Why the path of a field cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct FieldPathError {
    /// The field as it was named.
    pub field: String,
    /// What is wrong, and what to do.
    pub problem: FieldPathProblem,
}

/// What is wrong with the path of a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldPathProblem {
    /// Nothing is read under this name.
    #[error("there is no such field; the fields are {}", Field::names())]
    UnknownField,
    /// The path is empty, or two of its dots stand together, or one at an end.
    #[error("a key of the path is empty; write it like `data.time`")]
    EmptyKey,
    /// The path has too many keys.
    #[error("the path has {0} levels; at most {MAX_PATH_LEVELS}")]
    TooDeep(usize),
    /// Another field stands at the same place.
    #[error("`{0}` is read from the same place; give one of them another path")]
    Taken(String),
    /// The place of one field lies inside that of another, which is not a map then.
    #[error("the path runs through the place of `{0}`; give one of them another path")]
    Overlaps(String),
}

/// What stands in a map, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Places(Vec<(Box<str>, Place)>);

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The value of a field.
    Field(Field),
    /// A map with fields in it.
    Inside(Places),
}

impl FieldPaths {
    /// Fields by name, each with the keys that lead to it, separated by dots. Fields that are not
    /// named stand under their own names.
    ///
    /// # Errors
    /// With the first field whose name or path cannot be used.
    pub fn new<'a>(
        paths: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, FieldPathError> {
        let mut named: Vec<(Field, &str)> = Vec::new();
        let mut has_moved = false;
        for (name, path) in paths {
            let wrong = |problem| FieldPathError {
                field: name.to_owned(),
                problem,
            };
            let field =
                Field::from_name(name).ok_or_else(|| wrong(FieldPathProblem::UnknownField))?;
            if path.split('.').any(str::is_empty) {
                return Err(wrong(FieldPathProblem::EmptyKey));
            }
            let level_count = path.split('.').count();
            if level_count > MAX_PATH_LEVELS {
                return Err(wrong(FieldPathProblem::TooDeep(level_count)));
            }
            has_moved |= path != name;
            named.push((field, path));
        }
        if !has_moved {
            return Ok(Self::default());
        }
        let is_named = |field: Field| named.iter().any(|(other, _)| *other == field);
        let unnamed = Field::ALL.iter().copied();
        let unnamed = unnamed.filter(|field| !is_named(*field));
        // Those that were named come last, so that an error names one of them.
        let all = unnamed.map(|field| (field, field.name()));
        let mut places = Places::default();
        for (field, path) in all.chain(named.iter().copied()) {
            places.put(field, path).map_err(|problem| FieldPathError {
                field: field.name().to_owned(),
                problem,
            })?;
        }
        Ok(Self {
            places: Some(places),
        })
    }

    /// Moves fields from under their own names to where they stand: for whoever sends heartbeats that
    /// are read with these paths. What is no field stays out.
    #[must_use]
    pub fn arrange(&self, mut fields: Map<String, Value>) -> Map<String, Value> {
        match &self.places {
            None => fields,
            Some(places) => places.arrange(&mut fields),
        }
    }

    /// Where to look, unless every field is where it belongs.
    pub(super) fn places(&self) -> Option<&Places> {
        self.places.as_ref()
    }
}

impl Places {
    /// What stands under a key.
    pub(super) fn get(&self, key: &str) -> Option<&Place> {
        let index = self.0.binary_search_by(|(other, _)| (**other).cmp(key));
        self.0.get(index.ok()?).map(|(_, place)| place)
    }

    fn arrange(&self, fields: &mut Map<String, Value>) -> Map<String, Value> {
        let mut arranged = Map::new();
        for (key, place) in &self.0 {
            let value = match place {
                Place::Field(field) => fields.remove(field.name()),
                Place::Inside(places) => {
                    let inside = places.arrange(fields);
                    (!inside.is_empty()).then_some(Value::Object(inside))
                }
            };
            if let Some(value) = value {
                arranged.insert(key.to_string(), value);
            }
        }
        arranged
    }

    fn put(&mut self, field: Field, path: &str) -> Result<(), FieldPathProblem> {
        let (key, rest) = match path.split_once('.') {
            Some((key, rest)) => (key, Some(rest)),
            None => (path, None),
        };
        let index = match self.0.binary_search_by(|(other, _)| (**other).cmp(key)) {
            Ok(index) => index,
            Err(index) => {
                let place = match rest {
                    Some(_) => Place::Inside(Self::default()),
                    None => Place::Field(field),
                };
                self.0.insert(index, (key.into(), place));
                if rest.is_none() {
                    return Ok(());
                }
                index
            }
        };
        match (self.0.get_mut(index).map(|(_, place)| place), rest) {
            (Some(Place::Inside(inside)), Some(rest)) => inside.put(field, rest),
            (Some(Place::Inside(inside)), None) => {
                Err(FieldPathProblem::Overlaps(inside.first_field()))
            }
            (Some(Place::Field(other)), Some(_)) => {
                Err(FieldPathProblem::Overlaps(other.name().to_owned()))
            }
            (Some(Place::Field(other)), None) => {
                Err(FieldPathProblem::Taken(other.name().to_owned()))
            }
            (None, _) => Ok(()),
        }
    }

    /// The name of a field that stands somewhere in here.
    fn first_field(&self) -> String {
        match self.0.first() {
            Some((_, Place::Field(field))) => field.name().to_owned(),
            Some((_, Place::Inside(inside))) => inside.first_field(),
            None => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Paths<'a> = &'a [(&'a str, &'a str)];

    fn error(paths: Paths<'_>) -> (String, FieldPathProblem) {
        let FieldPathError { field, problem } = FieldPaths::new(paths.iter().copied()).unwrap_err();
        (field, problem)
    }

    #[test]
    fn a_path_that_cannot_be_used_is_refused_with_its_field() {
        let eight = "a.b.c.d.e.f.g.h";
        assert!(FieldPaths::new([("mcc", eight)]).is_ok());
        let nine = format!("{eight}.i");
        let too_deep = [("mcc", &*nine)];
        let other = |name: &str| name.to_owned();
        let cases: Vec<(Paths<'_>, &str, FieldPathProblem)> = vec![
            (&[("time", "x")], "time", FieldPathProblem::UnknownField),
            (&[("mcc", "")], "mcc", FieldPathProblem::EmptyKey),
            (&[("mcc", ".a")], "mcc", FieldPathProblem::EmptyKey),
            (&[("mcc", "a..b")], "mcc", FieldPathProblem::EmptyKey),
            (&[("mcc", "a.")], "mcc", FieldPathProblem::EmptyKey),
            (&too_deep, "mcc", FieldPathProblem::TooDeep(9)),
            (
                &[("mcc", "a.b"), ("mnc", "a.b")],
                "mnc",
                FieldPathProblem::Taken(other("mcc")),
            ),
            // the other one stands under its own name
            (
                &[("fw", "model")],
                "fw",
                FieldPathProblem::Taken(other("model")),
            ),
            (
                &[("mcc", "a"), ("mnc", "a.b.c")],
                "mnc",
                FieldPathProblem::Overlaps(other("mcc")),
            ),
            (
                &[("mcc", "a.b.c"), ("mnc", "a.b")],
                "mnc",
                FieldPathProblem::Overlaps(other("mcc")),
            ),
            (
                &[("mcc", "cell.mcc")],
                "mcc",
                FieldPathProblem::Overlaps(other("cell")),
            ),
        ];
        for (paths, field, problem) in cases {
            assert_eq!(error(paths), (field.to_owned(), problem), "{paths:?}");
        }
    }

    #[test]
    fn fields_that_stay_where_they_are_cost_nothing() {
        assert_eq!(FieldPaths::new([]), Ok(FieldPaths::default()));
        let own = Field::ALL.iter().map(|field| (field.name(), field.name()));
        assert_eq!(FieldPaths::new(own), Ok(FieldPaths::default()));
        // Two fields may change places.
        let swapped = FieldPaths::new([("fw", "model"), ("model", "fw")]).unwrap();
        let place = swapped.places().and_then(|places| places.get("fw"));
        assert_eq!(place, Some(&Place::Field(Field::Model)));
    }
}
