//! Random templates with random data, decided by a seed.

use serde_json::{Value as Json, json};

/// Makes the case of a seed.
pub(crate) fn case(seed: u64) -> Json {
    let mut g = Generator {
        state: seed ^ 0x9E37_79B9_7F4A_7C15,
        vars: vec!["$".to_owned()],
        loops: 0,
    };
    let mut text = match g.below(10) {
        0 | 1 => g.formatting(),
        2 => g.noise(),
        _ => g.list(3),
    };
    if g.one_in(6) {
        text = g.mutate(&text);
    }
    if !g.one_in(4) {
        text = to_latin(&text);
    }
    let helpers = format!(
        "{{{{define \"h\"}}}}{}{{{{end}}}}{{{{define \"g\"}}}}<{{{{.}}}}>{{{{end}}}}",
        {
            g.vars = vec!["$".to_owned()];
            // A template that calls itself costs the oracle seconds.
            g.list(1).replace("\"h\"", "\"g\"")
        }
    );
    let files = if g.one_in(3) {
        json!([["h.tpl", helpers], ["t", text]])
    } else {
        json!([["t", text]])
    };
    json!({
        "files": files,
        "execute": "t",
        "data": g.data(),
        "missingkey": g.pick(&["", "zero", "zero", "error"]),
    })
}

struct Generator {
    state: u64,
    vars: Vec<String>,
    loops: usize,
}

const KEYS: &[&str] = &["a", "b", "c", "d", "m", "l", "s", "n", "x"];
const FUNCS: &[&str] = &[
    "upper", "repeat", "add", "half", "uint", "flip", "list", "same", "keys", "count", "join", "seven",
    "typeOf", "fail", "set", "dict", "include", "and", "or", "not", "eq", "ne", "lt", "le", "gt", "ge",
    "index", "slice", "len", "html", "js", "urlquery", "print", "printf", "println", "call", "and", "or",
    "eq", "printf", "index", "list", "dict", "include",
];

impl Generator {
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    // Templates.

    fn list(&mut self, depth: usize) -> String {
        (0..=self.below(3)).map(|_| self.item(depth)).collect()
    }

    fn item(&mut self, depth: usize) -> String {
        let (left, right) = (
            self.pick(&["{{", "{{ ", "{{- "]),
            self.pick(&["}}", " }}", " -}}"]),
        );
        if depth == 0 {
            return format!("{left}{}{right}", self.pipeline(1));
        }
        match self.below(16) {
            0 | 1 => self
                .pick(&["text", " ", "\n", "  x\n", "a: b\n", "é", "{"])
                .to_owned(),
            2 => {
                let pipe = self.pipeline(depth);
                let mark = self.vars.len();
                let (body, other) = (self.list(depth - 1), self.list(depth - 1));
                self.vars.truncate(mark);
                format!("{left}if {pipe}{right}{body}{left}else{right}{other}{left}end{right}")
            }
            3 => {
                let pipe = self.pipeline(depth);
                let mark = self.vars.len();
                let (body, other) = (self.list(depth - 1), self.list(depth - 1));
                let more = self.pipeline(1);
                self.vars.truncate(mark);
                format!("{left}with {pipe}{right}{body}{left}else with {more}{right}{other}{left}end{right}")
            }
            4 | 5 => self.range(depth, left, right),
            6 => {
                let mark = self.vars.len();
                let pipe = self.pipeline(depth);
                self.vars.truncate(mark);
                let name = format!("$v{}", self.below(3));
                let action = format!("{left}{name} {} {pipe}{right}", self.pick(&[":=", ":=", "="]));
                self.vars.push(name);
                action
            }
            7 => format!(
                "{left}template {} {}{right}",
                self.pick(&["\"h\"", "\"g\"", "`g`"]),
                self.pipeline(1)
            ),
            8 => self
                .pick(&["{{/* c */}}", "{{- /* c */ -}}", "{{/*\n*/}}", "{{ /* c */}}"])
                .to_owned(),
            9 if self.loops > 0 => format!("{left}{}{right}", self.pick(&["break", "continue"])),
            _ => format!("{left}{}{right}", self.pipeline(depth)),
        }
    }

    fn range(&mut self, depth: usize, left: &str, right: &str) -> String {
        let mark = self.vars.len();
        let pipe = self.pipeline(depth);
        self.vars.truncate(mark);
        let decl = match self.below(4) {
            0 => String::new(),
            1 => {
                self.vars.push("$e".to_owned());
                "$e := ".to_owned()
            }
            2 => {
                self.vars.extend(["$i".to_owned(), "$e".to_owned()]);
                "$i, $e := ".to_owned()
            }
            _ => self.pick(&["$v0, $v1 = ", "$v0 = ", "$i,$e := "]).to_owned(),
        };
        self.loops += 1;
        let body = self.list(depth - 1);
        self.loops -= 1;
        self.vars.truncate(mark);
        let other = if self.one_in(2) {
            format!("{left}else{right}{}", self.list(depth - 1))
        } else {
            String::new()
        };
        format!("{left}range {decl}{pipe}{right}{body}{other}{left}end{right}")
    }

    fn pipeline(&mut self, depth: usize) -> String {
        let mut out = self.command(depth);
        for _ in 0..self.below(5).saturating_sub(2) {
            out.push_str(" | ");
            out.push_str(&self.call(depth));
        }
        out
    }

    fn command(&mut self, depth: usize) -> String {
        if self.one_in(2) {
            self.call(depth)
        } else {
            self.operand(depth)
        }
    }

    fn call(&mut self, depth: usize) -> String {
        let mut out = self.pick(FUNCS).to_owned();
        if out == "printf" && !self.one_in(4) {
            out.push(' ');
            out.push_str(&quoted(&self.format()));
        }
        if out == "include" && !self.one_in(4) {
            out.push_str(self.pick(&[" \"g\"", " \"h\"", " \"zz\""]));
        }
        for _ in 0..self.below(4) {
            out.push(' ');
            out.push_str(&self.operand(depth));
        }
        out
    }

    fn operand(&mut self, depth: usize) -> String {
        match self.below(12) {
            0 => ".".to_owned(),
            1 => self.pick(&["nil", "true", "false"]).to_owned(),
            2 => self.number(),
            3 => self
                .pick(&[
                    "\"\"",
                    "\"a\"",
                    "\"x y\"",
                    "`raw`",
                    "\"é\\n\"",
                    "\"\\x41<&'\"",
                    "'a'",
                    "\"%d\"",
                    "\"a\\\"b\"",
                ])
                .to_owned(),
            4 if depth > 0 => {
                let inner = self.pipeline(depth - 1);
                let field = if self.one_in(3) {
                    self.path()
                } else {
                    String::new()
                };
                format!("({inner}){field}")
            }
            5 => {
                let at = self.below(self.vars.len());
                let var = self.vars[at].clone();
                let field = if self.one_in(2) {
                    self.path()
                } else {
                    String::new()
                };
                var + &field
            }
            6 => self
                .pick(&["seven", "list", "dict.a", "dict", "seven.x", "list.a"])
                .to_owned(),
            _ => self.path(),
        }
    }

    fn path(&mut self) -> String {
        (0..=(self.below(3) * self.below(2)))
            .flat_map(|_| [".", self.pick(KEYS)])
            .collect()
    }

    fn number(&mut self) -> String {
        match self.below(4) {
            0 => self.pick(&["0", "1", "2", "3", "-1", "7", "10"]).to_owned(),
            1 => self
                .pick(&["1.0", "1.5", "1e3", "0.5", "-2.5", "1e6", "1e21", "3.0", "1e-7"])
                .to_owned(),
            2 => self
                .pick(&[
                    "0x1F",
                    "017",
                    "0b11",
                    "1_000",
                    "'x'",
                    "1i",
                    "2+3i",
                    "9223372036854775808",
                    "08",
                    "1a",
                    "0x1p4",
                    "-0",
                    "-0.0",
                    "5.",
                    ".5",
                    "1_",
                    "18446744073709551615",
                    "'\\n'",
                    "+3",
                ])
                .to_owned(),
            _ => self.below(100).to_string(),
        }
    }

    // Formats.

    fn formatting(&mut self) -> String {
        let args: Vec<String> = (0..self.below(4)).map(|_| self.operand(1)).collect();
        format!("{{{{ printf {} {} }}}}", quoted(&self.format()), args.join(" "))
    }

    fn format(&mut self) -> String {
        let mut out = String::new();
        for _ in 0..=self.below(3) {
            out.push_str(self.pick(&["", "", " ", "x", "%%", "[", "é"]));
            out.push('%');
            for _ in 0..self.below(3) {
                out.push_str(self.pick(&["+", "-", "#", " ", "0"]));
            }
            if self.one_in(8) {
                out.push_str(self.pick(&["[1]", "[2]", "[9]", "[x]", "[", "[0]"]));
            }
            if self.one_in(3) {
                out.push_str(self.pick(&["1", "5", "12", "*", "0", "20", "20000012"]));
            }
            if self.one_in(3) {
                out.push_str(self.pick(&[".", ".0", ".1", ".3", ".12", ".*", ".25"]));
            }
            if self.one_in(10) {
                out.push_str(self.pick(&["[1]", "[2]", "[3]"]));
            }
            out.push_str(self.pick(&[
                "v", "v", "v", "s", "s", "d", "d", "q", "x", "X", "f", "g", "e", "G", "E", "t", "T", "c",
                "U", "b", "o", "O", "F", "w", "z", "", "é",
            ]));
        }
        out
    }

    // Broken text.

    fn noise(&mut self) -> String {
        const PIECES: &[&str] = &[
            "{{",
            "}}",
            "{{-",
            "-}}",
            " -}}",
            "{{- ",
            " ",
            "\n",
            "a",
            ".",
            ".a",
            "$",
            "$x",
            ":=",
            "=",
            "|",
            "(",
            ")",
            "\"",
            "\"a\"",
            "`",
            "'",
            "'a'",
            "1",
            "if",
            "else",
            "end",
            "range",
            "with",
            "define",
            "block",
            "template",
            "break",
            "continue",
            "nil",
            "true",
            "/*",
            "*/",
            ",",
            "print",
            "len",
            "-",
            "+",
            "é",
            "\u{a0}",
            "“",
            "\\",
            "{{ end }}",
            "{{if .a}}",
            "{{ . }}",
            "{{range .l}}",
            "\"t\"",
            "{{define \"t\"}}",
            "{{else}}",
            "\u{7f}",
        ];
        (0..=self.below(14)).map(|_| self.pick(PIECES)).collect()
    }

    fn mutate(&mut self, text: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        for _ in 0..=self.below(2) {
            let at = self.below(chars.len() + 1);
            match self.below(3) {
                0 if at < chars.len() => {
                    chars.remove(at);
                }
                1 if at + 1 < chars.len() => chars.swap(at, at + 1),
                _ => chars.splice(at..at, self.noise().chars()).for_each(drop),
            }
        }
        chars.into_iter().collect()
    }

    // Data.

    fn data(&mut self) -> Json {
        if self.one_in(12) {
            return self.value(1);
        }
        let entries = KEYS.iter().map(|key| ((*key).to_owned(), self.value(2)));
        Json::Object(entries.collect())
    }

    fn value(&mut self, depth: usize) -> Json {
        let choice = self.below(if depth == 0 { 9 } else { 14 });
        match choice {
            0 => Json::Null,
            1 => json!(self.one_in(2)),
            2 => {
                let numbers = [0.0, 1.0, 3.0, -1.5, 1e6, 1e21, 0.1, 123_456_789.0, 1e-7, 99.99];
                json!(numbers[self.below(numbers.len())])
            }
            3 => json!(self.pick(&[
                "",
                "a",
                "b",
                "x y",
                "<&\"'>",
                "é",
                "\u{1}",
                "0",
                "true",
                "multi\nline"
            ])),
            4 => typed("int", self.pick(&["0", "1", "3", "-1", "65", "120"])),
            5 => typed("int64", self.pick(&["0", "2", "-7", "-9223372036854775808"])),
            6 => typed(
                self.pick(&["uint", "uint8", "uint64", "int8", "int32"]),
                self.pick(&["0", "3", "100"]),
            ),
            7 => match self.below(4) {
                0 => typed("complex128", "1+2i"),
                1 => typed("float64", self.pick(&["NaN", "+Inf", "-Inf", "-0"])),
                2 => typed("[]byte", self.pick(&["", "hi", "\u{ff}\u{0}a"])),
                _ => typed(self.pick(&["nil map", "nil []any", "nil []string"]), ""),
            },
            8 => json!(self.pick(&["\u{ff}\u{fe}", "long text with words", "é\u{c3}\u{a9}"])),
            9 | 10 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            11 => {
                let strings = &["b", "a", ""][..self.below(4)];
                json!({"$type": "[]string", "value": strings})
            }
            12 => json!({"$type": "map[string]string", "value": {"a": "1", "b": ""}}),
            _ => {
                let keys: Vec<&str> = (0..self.below(4)).map(|_| self.pick(KEYS)).collect();
                Json::Object(
                    keys.into_iter()
                        .map(|key| (key.to_owned(), self.value(depth - 1)))
                        .collect(),
                )
            }
        }
    }
}

fn typed(ty: &str, value: &str) -> Json {
    json!({"$type": ty, "value": value})
}

/// Writes a Go string literal.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Cases are bytes, one per character.
fn to_latin(text: &str) -> String {
    text.bytes().map(char::from).collect()
}
