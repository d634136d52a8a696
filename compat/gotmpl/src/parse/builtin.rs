//! The names of Go's own functions, and how many arguments they take.

/// One of Go's own functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Call,
    Html,
    Index,
    Slice,
    Js,
    Len,
    Not,
    Or,
    Print,
    Printf,
    Println,
    UrlQuery,
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
    Ne,
}

/// How many parameters a function has, and whether the last one repeats.
pub(crate) struct Shape {
    pub params: usize,
    pub variadic: bool,
}

impl Builtin {
    pub(crate) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "and" => Builtin::And,
            "call" => Builtin::Call,
            "html" => Builtin::Html,
            "index" => Builtin::Index,
            "slice" => Builtin::Slice,
            "js" => Builtin::Js,
            "len" => Builtin::Len,
            "not" => Builtin::Not,
            "or" => Builtin::Or,
            "print" => Builtin::Print,
            "printf" => Builtin::Printf,
            "println" => Builtin::Println,
            "urlquery" => Builtin::UrlQuery,
            "eq" => Builtin::Eq,
            "ge" => Builtin::Ge,
            "gt" => Builtin::Gt,
            "le" => Builtin::Le,
            "lt" => Builtin::Lt,
            "ne" => Builtin::Ne,
            _ => return None,
        })
    }

    /// Whether it makes a text.
    pub(crate) fn prints(self) -> bool {
        use Builtin::{Html, Js, Print, Printf, Println, UrlQuery};
        matches!(self, Html | Js | Print | Printf | Println | UrlQuery)
    }

    /// Whether it reads texts that it gets and makes none that would be paid for.
    pub(crate) fn compares(self) -> bool {
        use Builtin::{Eq, Ge, Gt, Index, Le, Lt, Ne};
        matches!(self, Eq | Ne | Lt | Le | Gt | Ge | Index)
    }

    pub(crate) fn shape(self) -> Shape {
        let (params, variadic) = match self {
            Builtin::Html | Builtin::Js | Builtin::UrlQuery | Builtin::Print | Builtin::Println => (1, true),
            Builtin::And | Builtin::Or | Builtin::Call | Builtin::Index | Builtin::Slice => (2, true),
            Builtin::Eq | Builtin::Printf => (2, true),
            Builtin::Len | Builtin::Not => (1, false),
            Builtin::Ne | Builtin::Lt | Builtin::Le | Builtin::Gt | Builtin::Ge => (2, false),
        };
        Shape { params, variadic }
    }
}
