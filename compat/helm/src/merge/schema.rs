//! How the fields of built-in kinds are merged, read from a generated table.

use super::MergeError;

/// Written by `cargo xtask generate patch-types`: `kind APIVERSION KIND TYPE`, and for each type its fields that hold
/// other values, `NAME SHAPE [STRATEGIES KEY]`. It is searched as text, since a merge asks for a few of its types only.
const TABLE: &str = include_str!("patch-types.txt");

/// A Go type: `*T`, `[T]` and `{T}` are pointers, slices and maps, names with a dot are structs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schema(&'static str);

/// What is known of a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// The type of its value or, for a list, of each element.
    pub(super) schema: Schema,
    /// Whether the values that are kept are listed in a patch.
    pub(super) retain_keys: bool,
    /// How it is merged: `merge`, `replace` or not said.
    pub(super) strategy: &'static str,
    /// The field by which elements of a list are known.
    pub(super) key: &'static str,
}

impl Schema {
    /// The type of a kind, if it is a built-in one.
    pub(super) fn of_kind(api_version: &str, kind: &str) -> Option<Self> {
        if [api_version, kind]
            .iter()
            .any(|word| word.contains(char::is_whitespace))
        {
            return None;
        }
        let rest = after(&format!("\nkind {api_version} {kind} "))?;
        rest.lines().next().map(Self)
    }

    /// Finds the field of an object that holds an object.
    pub(super) fn object(self, name: &str) -> Result<Field, MergeError> {
        self.field(name)
    }

    /// Finds the field of an object that holds a list.
    pub(super) fn list(self, name: &str) -> Result<Field, MergeError> {
        let field = self.field(name)?;
        let shape = field.schema.0;
        let element = match inner(shape, '[', ']') {
            Some(element) if element.starts_with('[') => return Err(MergeError::SliceOfSlices),
            Some(element) => element,
            None => match shape.strip_prefix('*') {
                Some(to) => inner(to, '[', ']').unwrap_or(to),
                None => return Err(MergeError::NotASlice(self.kind().to_owned())),
            },
        };
        Ok(Field {
            schema: Self(element),
            ..field
        })
    }

    /// What Go's reflection calls a type like this.
    pub(super) fn kind(self) -> &'static str {
        match self.0.chars().next() {
            Some('*') => "ptr",
            Some('[') => "slice",
            Some('{') => "map",
            _ if self.0.contains('.') => "struct",
            _ => self.0,
        }
    }

    fn field(self, name: &str) -> Result<Field, MergeError> {
        let structure = Self(self.0.strip_prefix('*').unwrap_or(self.0));
        if structure.kind() != "struct" {
            return Err(MergeError::NotAStruct(structure.kind().to_owned()));
        }
        let fields = after(&format!("\ntype {}\n", structure.0)).unwrap_or_default();
        let fields = fields.lines().map_while(|line| line.strip_prefix(' '));
        let mut found = None;
        for line in fields {
            let mut words = line.split(' ');
            let mut word = || words.next().unwrap_or_default();
            let known = word();
            let is_exact = known == name;
            if is_exact || found.is_none() && known.eq_ignore_ascii_case(name) {
                let shape = word();
                let mut strategies = word().split(',');
                let (first, second) = (strategies.next().unwrap_or_default(), strategies.next());
                let (retain_keys, strategy) = match (first, second) {
                    ("retainKeys", other) => (true, other.unwrap_or_default()),
                    (other, Some("retainKeys")) => (true, other),
                    (strategy, _) => (false, strategy),
                };
                found = Some(Field {
                    schema: Self(shape),
                    retain_keys,
                    strategy,
                    key: word(),
                });
            }
            if is_exact {
                break;
            }
        }
        found.ok_or_else(|| MergeError::UnknownField {
            structure: structure.0.rsplit('.').next().unwrap_or_default().to_owned(),
            field: name.to_owned(),
        })
    }
}

/// The table behind a text that occurs in it.
fn after(text: &str) -> Option<&'static str> {
    let at = memchr::memmem::find(TABLE.as_bytes(), text.as_bytes())?;
    TABLE.get(at + text.len()..)
}

fn inner(shape: &'static str, open: char, close: char) -> Option<&'static str> {
    shape.strip_prefix(open)?.strip_suffix(close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_their_strategy_and_key() {
        let pod = Schema::of_kind("v1", "Pod")
            .unwrap()
            .object("spec")
            .unwrap()
            .schema;
        let containers = pod.list("containers").unwrap();
        assert_eq!(
            (containers.strategy, containers.key, containers.retain_keys),
            ("merge", "name", false)
        );
        let volumes = pod.list("volumes").unwrap();
        assert_eq!(
            (volumes.strategy, volumes.key, volumes.retain_keys),
            ("merge", "name", true)
        );
        let spec = Schema::of_kind("apps/v1", "Deployment")
            .unwrap()
            .object("spec")
            .unwrap();
        let strategy = spec.schema.object("strategy").unwrap();
        assert_eq!((strategy.strategy, strategy.retain_keys), ("", true));
        assert_eq!(
            pod.list("nothing").unwrap_err().to_string(),
            "unable to find api field in struct PodSpec for the json field \"nothing\""
        );
        assert!(Schema::of_kind("v1", "Pod core/v1.Pod\nkind v1").is_none());
    }

    #[test]
    fn every_struct_of_the_table_is_in_it_and_every_strategy_is_known() {
        let mut types = 0;
        for line in TABLE.lines() {
            if let Some(name) = line.strip_prefix("type ") {
                assert!(after(&format!("\ntype {name}\n")).is_some(), "{name}");
                types += 1;
            }
            let Some(field) = line.strip_prefix(' ') else {
                continue;
            };
            let words: Vec<_> = field.split(' ').collect();
            let shape = words[1].trim_matches(['*', '[', ']', '{', '}']);
            assert!(
                !shape.contains('.') || after(&format!("\ntype {shape}\n")).is_some(),
                "{line}"
            );
            let strategies: Vec<_> = words.get(2).map_or(Vec::new(), |word| word.split(',').collect());
            let known = ["", "merge", "replace", "retainKeys"];
            assert!(
                strategies.iter().all(|strategy| known.contains(strategy)),
                "{line}"
            );
            assert!(
                strategies.len() < 2 || strategies.contains(&"retainKeys"),
                "{line}"
            );
        }
        assert!(types > 300);
    }
}
