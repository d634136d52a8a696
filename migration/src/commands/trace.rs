//! `openflux trace`.

use std::io::Write;

use clap::Args;
use flux_fleet::API_VERSION;
use flux_fleet::text::{Node, clean};
use flux_fleet::trace::trace as make_trace;
use jiff::Timestamp;
use serde_json::json;

use super::Outcome;
use crate::cluster::{
    CommandError, ConnectArgs, Format, OutputArgs, ScopeArgs, Wanted, get_chain, print_lines, read,
};

/// Show the way from objects to who applied them, and on to the source and its address.
#[derive(Args, Debug)]
pub(crate) struct TraceArgs {
    /// The objects, as KIND/NAME such as pod/web-0; one of them also as KIND NAME.
    #[arg(value_name = "KIND/NAME", required = true)]
    objects: Vec<String>,
    /// The namespace; that of the context by default.
    #[arg(short, long, value_name = "NAME", help_heading = "Cluster")]
    namespace: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

pub(crate) async fn trace(args: &TraceArgs, out: &mut dyn Write) -> Result<Outcome, CommandError> {
    let printer = args
        .output
        .printer("trace", &[Format::Table, Format::Json, Format::Yaml])?;
    let objects = names(&args.objects)?;
    let cluster = args.connect.connect().await?;
    let scope = ScopeArgs {
        namespace: args.namespace.clone(),
        all_namespaces: false,
    };
    let namespace = scope.one(&cluster);
    let mut chains = Vec::new();
    for (kind, name) in objects {
        chains.push(get_chain(&cluster, &kind, &namespace, &name).await?);
    }
    let world = read(&cluster, &Wanted::default()).await?;
    let now = Timestamp::now();
    let traces: Vec<_> = chains
        .iter()
        .filter_map(|chain| make_trace(&world, chain, now))
        .collect();
    let document =
        json!({"apiVersion": API_VERSION, "kind": "TraceList", "items": traces, "unread": world.unread});
    if printer.document(out, &document)? {
        return Ok(Outcome::Done);
    }
    for (at, trace) in traces.iter().enumerate() {
        if at > 0 {
            print_lines(out, [String::new()])?;
        }
        print_lines(out, trace.lines(printer.style))?;
        if let Some(Node {
            kind, name, notes, ..
        }) = trace.cause()
        {
            let said = notes
                .last()
                .map(|note| format!(": {}", clean(note)))
                .unwrap_or_default();
            print_lines(
                out,
                [format!("Look first at {} {}{said}", clean(kind), clean(name))],
            )?;
        }
    }
    let unread = world
        .unread
        .iter()
        .map(|unread| format!("not read: {}", clean(unread)));
    print_lines(out, unread)?;
    Ok(Outcome::Done)
}

/// Reads `KIND/NAME ...` or `KIND NAME`.
fn names(words: &[String]) -> Result<Vec<(String, String)>, CommandError> {
    if let [kind, name] = words
        && !kind.contains('/')
        && !name.contains('/')
    {
        return Ok(vec![(kind.clone(), name.clone())]);
    }
    words
        .iter()
        .map(|word| match word.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => {
                Ok((kind.to_owned(), name.to_owned()))
            }
            _ => Err(CommandError::Usage(format!(
                "{word:?} names no object: write KIND/NAME, such as pod/web-0"
            ))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_by_kind_and_name() {
        let read = |words: &[&str]| {
            let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
            let names = names(&words).ok()?;
            Some(
                names
                    .iter()
                    .map(|(kind, name)| format!("{kind} {name}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            )
        };
        assert_eq!(read(&["pod", "x"]).as_deref(), Some("pod x"));
        assert_eq!(
            read(&["pod/x", "deployment.apps/y"]).as_deref(),
            Some("pod x, deployment.apps y")
        );
        assert_eq!(read(&["pod"]), None);
        assert_eq!(read(&["pod/", "x"]), None);
    }
}
