//! The command line of a container, as a Deployment writes it.

use k8s_openapi::api::core::v1::Container;

/// The words of a container's command and arguments, with `$(NAME)` replaced where the value is written next to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments(Vec<String>);

impl Arguments {
    /// Reads a container.
    pub fn of(container: &Container) -> Self {
        let parts = container.command.iter().chain(&container.args).flatten();
        let expand = |argument: &String| {
            let variables = container.env.iter().flatten();
            variables.fold(argument.clone(), |text, env| match &env.value {
                Some(value) => text.replace(&format!("$({})", env.name), value),
                None => text,
            })
        };
        Self(parts.map(expand).collect())
    }

    /// Gives the value of the last `--name=value` or `--name value`.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name, None).last()
    }

    /// Gives the value of the last `--name` or `--name=value`; alone it stands for `true`.
    pub fn switch(&self, name: &str) -> Option<&str> {
        self.values(name, Some("true")).last()
    }

    /// Gives whether a switch is on; nothing if it is not there, or if its value is none.
    pub fn is_on(&self, name: &str) -> Option<bool> {
        match self.switch(name)?.to_lowercase().as_str() {
            "true" | "t" | "1" => Some(true),
            "false" | "f" | "0" => Some(false),
            _ => None,
        }
    }

    /// Gives every value of a flag, in order; a flag with `alone` stands for that without a value.
    pub fn values<'a>(&'a self, name: &str, alone: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let mut found = Vec::new();
        let mut rest = self.0.iter();
        while let Some(argument) = rest.next() {
            let Some(after) = argument
                .strip_prefix("--")
                .and_then(|text| text.strip_prefix(name))
            else {
                continue;
            };
            match after.strip_prefix('=') {
                Some(value) => found.push(value),
                None if after.is_empty() => {
                    found.extend(alone.or_else(|| rest.next().map(String::as_str)));
                }
                None => {}
            }
        }
        found.into_iter()
    }

    /// Gives the words.
    pub fn words(&self) -> &[String] {
        &self.0
    }
}
