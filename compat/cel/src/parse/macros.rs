//! The calls that stand for something else: `has`, the loops over lists and maps, and what optionals have.

use super::Lower;
use crate::ast::{Comprehension, Fold, Kind, Node, operator};
use crate::value::Value;

/// The name of what a loop gathers; no expression can spell it.
const ACCUMULATOR: &str = "@result";
const OLD_ACCUMULATOR: &str = "__result__";
/// The most parts that expansions may lead to.
const MOST_PARTS: usize = 200_000;
const UNUSED: &str = "#unused";

/// The expansion of a call, or the call.
pub(crate) fn expand(
    lower: &mut Lower<'_>,
    id: u64,
    function: &str,
    target: Option<Box<Node>>,
    mut args: Vec<Node>,
) -> Node {
    let call = |target, args| Node {
        id,
        kind: Kind::Call {
            target,
            function: function.to_owned(),
            args,
        },
    };
    let Some(target) = target else {
        if function == "has" && args.len() == 1 {
            return has(lower, id, args.remove(0));
        }
        return call(None, args);
    };
    let mut make = Make { lower, id };
    match (function, args.len()) {
        ("all" | "exists" | "exists_one" | "map" | "filter", 2) | ("map", 3) => {
            let words = match function {
                "map" | "filter" => "argument is not an identifier",
                _ => "argument must be a simple name",
            };
            let first = args.remove(0);
            let Some(variable) = make.variable(&first, words) else {
                return first;
            };
            match (function, args.len()) {
                ("all", _) => make.all(*target, variable, args.remove(0)),
                ("exists", _) => make.exists(*target, variable, args.remove(0)),
                ("exists_one", _) => make.exists_one(*target, variable, args.remove(0)),
                ("filter", _) => make.collect(*target, variable, Some(args.remove(0)), first),
                ("map", 2) => {
                    let filter = args.remove(0);
                    make.collect(*target, variable, Some(filter), args.remove(0))
                }
                _ => make.collect(*target, variable, None, args.remove(0)),
            }
        }
        ("optMap" | "optFlatMap", 2) => {
            let first = args.remove(0);
            let Kind::Ident(variable) = first.kind else {
                let words = format!("{function}() variable name must be a simple identifier");
                make.lower.refuse(first.id, &words);
                return first;
            };
            make.bind(*target, variable, args.remove(0), function == "optMap")
        }
        _ => call(Some(target), args),
    }
}

fn has(lower: &mut Lower<'_>, id: u64, arg: Node) -> Node {
    let Kind::Select { operand, field, .. } = arg.kind else {
        lower.refuse(arg.id, "invalid argument to has() macro");
        return arg;
    };
    Node {
        id: lower.source.id_beside(id),
        kind: Kind::Select {
            operand,
            field,
            test: true,
        },
    }
}

/// Makes parts that are where the call of the macro is.
struct Make<'m, 'l> {
    lower: &'m mut Lower<'l>,
    id: u64,
}

impl Make<'_, '_> {
    fn node(&mut self, kind: Kind) -> Node {
        Node {
            id: self.lower.source.id_beside(self.id),
            kind,
        }
    }

    fn literal(&mut self, value: Value<'static>) -> Node {
        self.node(Kind::Literal(value))
    }

    fn accumulator(&mut self) -> Node {
        self.node(Kind::Ident(ACCUMULATOR.to_owned()))
    }

    fn call(&mut self, function: &str, args: Vec<Node>) -> Node {
        self.node(Kind::Call {
            target: None,
            function: function.to_owned(),
            args,
        })
    }

    fn member_call(&mut self, function: &str, target: Node) -> Node {
        self.node(Kind::Call {
            target: Some(Box::new(target)),
            function: function.to_owned(),
            args: Vec::new(),
        })
    }

    fn list(&mut self, items: Vec<Node>) -> Node {
        let optional = vec![false; items.len()];
        self.node(Kind::List { items, optional })
    }

    fn variable(&mut self, node: &Node, words: &str) -> Option<String> {
        let Kind::Ident(name) = &node.kind else {
            self.lower.refuse(node.id, words);
            return None;
        };
        if name == ACCUMULATOR || name == OLD_ACCUMULATOR {
            let words = "iteration variable overwrites accumulator variable";
            self.lower.refuse(node.id, words);
            return None;
        }
        Some(name.clone())
    }

    fn comprehension(&mut self, comprehension: Comprehension) -> Node {
        self.node(Kind::Comprehension(Box::new(comprehension)))
    }

    fn all(&mut self, range: Node, variable: String, predicate: Node) -> Node {
        let init = self.literal(Value::Bool(true));
        let accumulator = self.accumulator();
        let condition = self.call(operator::NOT_STRICTLY_FALSE, vec![accumulator]);
        let accumulator = self.accumulator();
        let step = self.call(operator::AND, vec![accumulator, predicate]);
        let result = self.accumulator();
        self.fold(Fold::All, range, variable, init, condition, step, result)
    }

    fn exists(&mut self, range: Node, variable: String, predicate: Node) -> Node {
        let init = self.literal(Value::Bool(false));
        let accumulator = self.accumulator();
        let not = self.call(operator::NOT, vec![accumulator]);
        let condition = self.call(operator::NOT_STRICTLY_FALSE, vec![not]);
        let accumulator = self.accumulator();
        let step = self.call(operator::OR, vec![accumulator, predicate]);
        let result = self.accumulator();
        self.fold(Fold::Exists, range, variable, init, condition, step, result)
    }

    fn exists_one(&mut self, range: Node, variable: String, predicate: Node) -> Node {
        let init = self.literal(Value::Int(0));
        let condition = self.literal(Value::Bool(true));
        let accumulator = self.accumulator();
        let one = self.literal(Value::Int(1));
        let more = self.call(operator::ADD, vec![accumulator, one]);
        let accumulator = self.accumulator();
        let step = self.call(operator::CONDITIONAL, vec![predicate, more, accumulator]);
        let accumulator = self.accumulator();
        let one = self.literal(Value::Int(1));
        let result = self.call(operator::EQUALS, vec![accumulator, one]);
        self.fold(Fold::ExistsOne, range, variable, init, condition, step, result)
    }

    fn collect(&mut self, range: Node, variable: String, filter: Option<Node>, item: Node) -> Node {
        let init = self.list(Vec::new());
        let condition = self.literal(Value::Bool(true));
        let accumulator = self.accumulator();
        let one = self.list(vec![item]);
        let mut step = self.call(operator::ADD, vec![accumulator, one]);
        if let Some(filter) = filter {
            let accumulator = self.accumulator();
            step = self.call(operator::CONDITIONAL, vec![filter, step, accumulator]);
        }
        let result = self.accumulator();
        self.fold(Fold::Collect, range, variable, init, condition, step, result)
    }

    /// `target.hasValue() ? optional.of(result with the variable for the value) : optional.none()`.
    fn bind(&mut self, target: Node, variable: String, result: Node, wrap: bool) -> Node {
        let copy = self.copy(&target);
        let has_value = self.member_call("hasValue", target);
        let range = self.list(Vec::new());
        let init = self.member_call("value", copy);
        let condition = self.literal(Value::Bool(false));
        let step = self.node(Kind::Ident(variable.clone()));
        let mut bound = self.comprehension(Comprehension {
            kind: Fold::Bind,
            range,
            variable: UNUSED.to_owned(),
            accumulator: variable,
            init,
            condition,
            step,
            result,
        });
        if wrap {
            bound = self.call("optional.of", vec![bound]);
        }
        let none = self.call("optional.none", Vec::new());
        self.call(operator::CONDITIONAL, vec![has_value, bound, none])
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a loop, in their order")]
    fn fold(
        &mut self,
        kind: Fold,
        range: Node,
        variable: String,
        init: Node,
        condition: Node,
        step: Node,
        result: Node,
    ) -> Node {
        self.comprehension(Comprehension {
            kind,
            range,
            variable,
            accumulator: ACCUMULATOR.to_owned(),
            init,
            condition,
            step,
            result,
        })
    }

    /// The same part once more, with identifiers of its own.
    ///
    /// Each of several in a row doubles what is before it, so that their number needs a bound.
    fn copy(&mut self, node: &Node) -> Node {
        if self.lower.source.parts() > MOST_PARTS {
            self.lower.refuse_size();
            return Node {
                id: node.id,
                kind: Kind::Literal(Value::Null),
            };
        }
        let kind = match &node.kind {
            Kind::Literal(value) => Kind::Literal(value.clone()),
            Kind::Ident(name) => Kind::Ident(name.clone()),
            Kind::Message(name) => Kind::Message(name.clone()),
            Kind::Select { operand, field, test } => Kind::Select {
                operand: Box::new(self.copy(operand)),
                field: field.clone(),
                test: *test,
            },
            Kind::Call {
                target,
                function,
                args,
            } => Kind::Call {
                target: target.as_ref().map(|target| Box::new(self.copy(target))),
                function: function.clone(),
                args: args.iter().map(|arg| self.copy(arg)).collect(),
            },
            Kind::List { items, optional } => Kind::List {
                items: items.iter().map(|item| self.copy(item)).collect(),
                optional: optional.clone(),
            },
            Kind::Map(entries) => {
                let entries = entries.iter().map(|entry| crate::ast::Entry {
                    key: self.copy(&entry.key),
                    value: self.copy(&entry.value),
                    optional: entry.optional,
                });
                Kind::Map(entries.collect())
            }
            Kind::Comprehension(comprehension) => Kind::Comprehension(Box::new(Comprehension {
                kind: comprehension.kind,
                range: self.copy(&comprehension.range),
                variable: comprehension.variable.clone(),
                accumulator: comprehension.accumulator.clone(),
                init: self.copy(&comprehension.init),
                condition: self.copy(&comprehension.condition),
                step: self.copy(&comprehension.step),
                result: self.copy(&comprehension.result),
            })),
        };
        Node {
            id: self.lower.source.id_beside(node.id),
            kind,
        }
    }
}
