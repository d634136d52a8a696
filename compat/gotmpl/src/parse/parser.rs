//! Tokens to nodes.

use std::collections::HashMap;
use std::sync::Arc;

use super::builtin::Builtin;
use crate::error::ParseError;
use crate::limits::Limits;
use crate::value::Value;
use crate::value::func::FuncMap;
use crate::value::str::Str;
use go_std::{quote, unquote};

use super::ast::{Ast, Branch, Callee, Ident, Node, NodeId, NodeKind, Pipe, Var};
use super::lexer::{Kind, Lexer, Token};
use super::number::Number;

/// The templates of one text: the text itself and what it defines, each with its list of nodes.
pub(crate) struct Parsed {
    pub ast: Arc<Ast>,
    pub templates: HashMap<Str, NodeId>,
    /// How many tokens are counted by now.
    pub tokens: usize,
}

type Result<T> = std::result::Result<T, ParseError>;

/// Makes the node of a control action.
type MakeBranch = fn(Branch) -> NodeKind;

/// Parses a text, after texts of as many tokens.
pub(crate) fn parse(
    name: &Str,
    text: &Str,
    delims: (&str, &str),
    funcs: &FuncMap,
    limits: &Limits,
    tokens: usize,
) -> Result<Parsed> {
    let keyword = |word| funcs.get(word).is_none();
    let mut parser = Parser {
        lexer: Lexer::new(text.clone(), delims, keyword("break"), keyword("continue"))
            .bounded(tokens, limits.tokens),
        funcs,
        ast: Ast {
            file: name.clone(),
            text: text.clone(),
            nodes: Vec::new(),
        },
        templates: HashMap::new(),
        var_ids: HashMap::new(),
        tree: Tree::default(),
        nesting: 0,
        max_nesting: limits.nesting,
    };
    parser.tree = parser.new_tree(name.clone());
    let root = parser.top_level()?;
    parser.add(root)?;
    // It is kept for as long as somebody renders the chart.
    parser.ast.nodes.shrink_to_fit();
    Ok(Parsed {
        ast: Arc::new(parser.ast),
        templates: parser.templates,
        tokens: parser.lexer.tokens(),
    })
}

struct Parser<'f> {
    lexer: Lexer,
    funcs: &'f FuncMap,
    ast: Ast,
    templates: HashMap<Str, NodeId>,
    var_ids: HashMap<Str, u32>,
    tree: Tree,
    nesting: usize,
    max_nesting: usize,
}

/// What belongs to one template of the text: definitions start afresh.
struct Tree {
    name: Str,
    tokens: [Token; 3],
    /// How many of the tokens were read but not used yet.
    peeked: usize,
    /// The variables in scope.
    vars: Vec<Var>,
    range_depth: usize,
    paren_depth: usize,
    /// The line of the action being parsed, 0 outside.
    action_line: usize,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            name: Str::default(),
            tokens: [Token::NONE; 3],
            peeked: 0,
            vars: Vec::new(),
            range_depth: 0,
            paren_depth: 0,
            action_line: 0,
        }
    }
}

impl Parser<'_> {
    // Tokens.

    fn next(&mut self) -> Token {
        if self.tree.peeked > 0 {
            self.tree.peeked -= 1;
        } else {
            self.tree.tokens[0] = self.lexer.next_token();
        }
        self.tree.tokens[self.tree.peeked]
    }

    fn backup(&mut self) {
        self.tree.peeked += 1;
    }

    fn backup2(&mut self, first: Token) {
        self.tree.tokens[1] = first;
        self.tree.peeked = 2;
    }

    fn backup3(&mut self, first: Token, second: Token) {
        self.tree.tokens[1] = second;
        self.tree.tokens[2] = first;
        self.tree.peeked = 3;
    }

    fn peek(&mut self) -> Token {
        if self.tree.peeked == 0 {
            self.tree.peeked = 1;
            self.tree.tokens[0] = self.lexer.next_token();
        }
        self.tree.tokens[self.tree.peeked - 1]
    }

    fn next_non_space(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_non_space(&mut self) -> Token {
        let token = self.next_non_space();
        self.backup();
        token
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Result<Token> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(token, context)
        }
    }

    // Errors.

    fn error<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(ParseError {
            name: self.ast.file.to_string(),
            line: self.tree.tokens[0].line,
            message: message.into(),
        })
    }

    fn unexpected<T>(&self, token: Token, context: &str) -> Result<T> {
        let mut text = self.lexer.describe(token);
        if token.kind != Kind::Error {
            return self.error(format!("unexpected {text} in {context}"));
        }
        let line = self.tree.action_line;
        if line != 0 && line != token.line {
            let link = if text.ends_with(" action") {
                ""
            } else {
                " in action"
            };
            text = format!("{text}{link} started at {}:{line}", self.ast.file);
        }
        self.error(text)
    }

    // Nodes.

    fn node(&mut self, pos: usize, kind: NodeKind) -> NodeId {
        let id = self.ast.nodes.len() as NodeId;
        self.ast.nodes.push(Node { pos, kind });
        id
    }

    fn pos(&self, id: NodeId) -> usize {
        self.ast.node(id).pos
    }

    fn var(&mut self, token: Token) -> Var {
        let name = self.lexer.shared(token);
        let next = self.var_ids.len() as u32;
        let id = *self.var_ids.entry(name.clone()).or_insert(next);
        Var { name, id }
    }

    fn new_tree(&mut self, name: Str) -> Tree {
        let root = Str::from("$");
        self.var_ids.insert(root.clone(), Var::ROOT);
        Tree {
            name,
            vars: vec![Var {
                name: root,
                id: Var::ROOT,
            }],
            ..Tree::default()
        }
    }

    /// Adds the template of the current tree, which must not be defined twice in one text.
    fn add(&mut self, root: NodeId) -> Result<()> {
        let name = self.tree.name.clone();
        if let Some(&other) = self.templates.get(&name)
            && !self.ast.is_empty_list(other)
        {
            if !self.ast.is_empty_list(root) {
                return self.error(format!(
                    "template: multiple definition of template {}",
                    quote(&name)
                ));
            }
            return Ok(());
        }
        self.templates.insert(name, root);
        Ok(())
    }

    // Lists.

    fn top_level(&mut self) -> Result<NodeId> {
        let pos = self.peek().start;
        let mut nodes = Vec::new();
        while self.peek().kind != Kind::Eof {
            if self.peek().kind == Kind::LeftDelim {
                let delim = self.next();
                if self.next_non_space().kind == Kind::Define {
                    self.definition()?;
                    continue;
                }
                self.backup2(delim);
            }
            let node = self.text_or_action()?;
            if matches!(self.ast.kind(node), NodeKind::End | NodeKind::Else) {
                return self.error(format!("unexpected {}", self.ast.source(node)));
            }
            nodes.push(node);
        }
        Ok(self.node(pos, NodeKind::List(nodes.into())))
    }

    fn definition(&mut self) -> Result<()> {
        const CONTEXT: &str = "define clause";
        let tree = self.new_tree(Str::default());
        let outer = std::mem::replace(&mut self.tree, tree);
        let token = self.next_non_space();
        self.tree.name = self.template_name(token, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        self.body_until_end(CONTEXT)?;
        self.tree = outer;
        Ok(())
    }

    /// Parses the body of a definition and adds it.
    fn body_until_end(&mut self, context: &str) -> Result<()> {
        let (root, end) = self.item_list()?;
        if !matches!(self.ast.kind(end), NodeKind::End) {
            return self.error(format!("unexpected {} in {context}", self.ast.source(end)));
        }
        self.add(root)
    }

    /// Parses up to `{{end}}` or `{{else}}`, which is the second result.
    fn item_list(&mut self) -> Result<(NodeId, NodeId)> {
        let pos = self.peek_non_space().start;
        let mut nodes = Vec::new();
        while self.peek_non_space().kind != Kind::Eof {
            let node = self.text_or_action()?;
            if matches!(self.ast.kind(node), NodeKind::End | NodeKind::Else) {
                return Ok((self.node(pos, NodeKind::List(nodes.into())), node));
            }
            nodes.push(node);
        }
        self.error("unexpected EOF")
    }

    fn text_or_action(&mut self) -> Result<NodeId> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Text => {
                let text = self.lexer.shared(token);
                Ok(self.node(token.start, NodeKind::Text(text)))
            }
            Kind::LeftDelim => {
                self.tree.action_line = token.line;
                let node = self.action();
                self.tree.action_line = if node.is_ok() { 0 } else { self.tree.action_line };
                node
            }
            _ => self.unexpected(token, "input"),
        }
    }

    fn action(&mut self) -> Result<NodeId> {
        let token = self.next_non_space();
        match token.kind {
            Kind::Block => return self.block(),
            Kind::Break => return self.loop_exit(token, NodeKind::Break, "{{break}}"),
            Kind::Continue => return self.loop_exit(token, NodeKind::Continue, "{{continue}}"),
            Kind::Else => return self.else_control(),
            Kind::End => {
                let token = self.expect(Kind::RightDelim, "end")?;
                return Ok(self.node(token.start, NodeKind::End));
            }
            Kind::If => return self.control("if", NodeKind::If),
            Kind::Range => return self.control("range", NodeKind::Range),
            Kind::With => return self.control("with", NodeKind::With),
            Kind::Template => return self.template(),
            _ => {}
        }
        self.backup();
        let pos = self.peek().start;
        let pipe = self.pipeline("command", Kind::RightDelim)?;
        Ok(self.node(pos, NodeKind::Action(pipe)))
    }

    fn loop_exit(&mut self, keyword: Token, kind: NodeKind, name: &str) -> Result<NodeId> {
        let token = self.next_non_space();
        if token.kind != Kind::RightDelim {
            return self.unexpected(token, name);
        }
        if self.tree.range_depth == 0 {
            return self.error(format!("{name} outside {{{{range}}}}"));
        }
        Ok(self.node(keyword.start, kind))
    }

    fn else_control(&mut self) -> Result<NodeId> {
        // What follows `else` is left for the control that it belongs to.
        let peek = self.peek_non_space();
        let pos = if matches!(peek.kind, Kind::If | Kind::With) {
            peek.start
        } else {
            self.expect(Kind::RightDelim, "else")?.start
        };
        Ok(self.node(pos, NodeKind::Else))
    }

    fn control(&mut self, context: &str, kind: MakeBranch) -> Result<NodeId> {
        if self.nesting >= self.max_nesting {
            return self.error(format!("max nesting of actions exceeded ({})", self.max_nesting));
        }
        self.nesting += 1;
        let vars = self.tree.vars.len();
        let branch = crate::deep(|| self.branch(context))?;
        self.tree.vars.truncate(vars);
        self.nesting -= 1;
        Ok(self.node(self.pos(branch.pipe), kind(branch)))
    }

    fn branch(&mut self, context: &str) -> Result<Branch> {
        let pipe = self.pipeline(context, Kind::RightDelim)?;
        let in_range = usize::from(context == "range");
        self.tree.range_depth += in_range;
        let (list, next) = self.item_list()?;
        self.tree.range_depth -= in_range;
        if matches!(self.ast.kind(next), NodeKind::End) {
            return Ok(Branch {
                pipe,
                list,
                else_list: None,
            });
        }
        // `else if` and `else with` nest, and share the one `end`.
        let chained: Option<(&str, MakeBranch)> = match (context, self.peek().kind) {
            ("if", Kind::If) => Some(("if", NodeKind::If)),
            ("with", Kind::With) => Some(("with", NodeKind::With)),
            _ => None,
        };
        let else_list = if let Some((context, kind)) = chained {
            self.next();
            let node = self.control(context, kind)?;
            self.node(self.pos(next), NodeKind::List([node].into()))
        } else {
            let (list, end) = self.item_list()?;
            if !matches!(self.ast.kind(end), NodeKind::End) {
                return self.error(format!("expected end; found {}", self.ast.source(end)));
            }
            list
        };
        Ok(Branch {
            pipe,
            list,
            else_list: Some(else_list),
        })
    }

    fn block(&mut self) -> Result<NodeId> {
        const CONTEXT: &str = "block clause";
        if self.nesting >= self.max_nesting {
            return self.error(format!("max nesting of actions exceeded ({})", self.max_nesting));
        }
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let pipe = self.pipeline(CONTEXT, Kind::RightDelim)?;
        self.nesting += 1;
        let tree = self.new_tree(name.clone());
        let outer = std::mem::replace(&mut self.tree, tree);
        crate::deep(|| self.body_until_end(CONTEXT))?;
        self.tree = outer;
        self.nesting -= 1;
        Ok(self.node(
            token.start,
            NodeKind::Template {
                name,
                pipe: Some(pipe),
            },
        ))
    }

    fn template(&mut self) -> Result<NodeId> {
        const CONTEXT: &str = "template clause";
        let token = self.next_non_space();
        let name = self.template_name(token, CONTEXT)?;
        let mut pipe = None;
        if self.next_non_space().kind != Kind::RightDelim {
            self.backup();
            pipe = Some(self.pipeline(CONTEXT, Kind::RightDelim)?);
        }
        Ok(self.node(token.start, NodeKind::Template { name, pipe }))
    }

    fn template_name(&mut self, token: Token, context: &str) -> Result<Str> {
        match token.kind {
            Kind::String | Kind::RawString => self.unquote(token),
            _ => self.unexpected(token, context),
        }
    }

    fn unquote(&mut self, token: Token) -> Result<Str> {
        let literal = self.lexer.shared(token);
        match unquote(&literal) {
            // Without escapes the text itself can be shared.
            Some(text) if literal.get(1..=text.len()) == Some(&text) => Ok(literal.slice(1, text.len() + 1)),
            Some(text) => Ok(text.into()),
            None => self.error("invalid syntax"),
        }
    }

    // Pipelines.

    fn pipeline(&mut self, context: &str, end: Kind) -> Result<NodeId> {
        let pos = self.peek_non_space().start;
        let (decls, assign) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    commands.push(self.command()?);
                }
                _ => return self.unexpected(token, context),
            }
        }
        if commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (at, command) in commands.iter().enumerate().skip(1) {
            if !self.can_follow_pipe(*command) {
                return self.error(format!("non executable command in pipeline stage {}", at + 1));
            }
        }
        let pipe = Pipe {
            decls: decls.into(),
            assign,
            commands: commands.into(),
        };
        Ok(self.node(pos, NodeKind::Pipe(pipe)))
    }

    fn can_follow_pipe(&self, command: NodeId) -> bool {
        let NodeKind::Command(args) = self.ast.kind(command) else {
            return true;
        };
        let first = args.first().map(|arg| self.ast.kind(*arg));
        !matches!(
            first,
            Some(
                NodeKind::Bool(_)
                    | NodeKind::Dot
                    | NodeKind::Nil
                    | NodeKind::Number(_)
                    | NodeKind::Str { .. }
            )
        )
    }

    fn declarations(&mut self, context: &str) -> Result<(Vec<Var>, bool)> {
        let mut decls = Vec::new();
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                return Ok((decls, false));
            }
            self.next();
            // A variable that is an argument must be put back, with the space behind it.
            let after = self.peek();
            let next = self.peek_non_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.next_non_space();
                    self.declare(variable, &mut decls);
                    return Ok((decls, next.kind == Kind::Assign));
                }
                Kind::Char if self.lexer.text(next) == b"," => {
                    self.next_non_space();
                    self.declare(variable, &mut decls);
                    if context != "range" || decls.len() >= 2 {
                        return self.error(format!("too many declarations in {context}"));
                    }
                    let kind = self.peek_non_space().kind;
                    if !matches!(kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                        return self.error("range can only initialize variables");
                    }
                }
                _ => {
                    if after.kind == Kind::Space {
                        self.backup3(variable, after);
                    } else {
                        self.backup2(variable);
                    }
                    return Ok((decls, false));
                }
            }
        }
    }

    fn declare(&mut self, token: Token, decls: &mut Vec<Var>) {
        let var = self.var(token);
        decls.push(var.clone());
        self.tree.vars.push(var);
    }

    fn command(&mut self) -> Result<NodeId> {
        let pos = self.peek_non_space().start;
        let mut args = Vec::new();
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                args.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return self.unexpected(token, "operand"),
            }
            break;
        }
        if args.is_empty() {
            return self.error("empty command");
        }
        Ok(self.node(pos, NodeKind::Command(args.into())))
    }

    /// Parses a term and the fields behind it.
    fn operand(&mut self) -> Result<Option<NodeId>> {
        let Some(node) = self.term()? else { return Ok(None) };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(node));
        }
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            let token = self.next();
            fields.push(self.ident(token));
        }
        let pos = first.start;
        let kind = match self.ast.kind(node) {
            NodeKind::Field(own) => NodeKind::Field([own, fields.as_slice()].concat().into()),
            NodeKind::Variable { var, fields: own } => NodeKind::Variable {
                var: var.clone(),
                fields: [own, fields.as_slice()].concat().into(),
            },
            NodeKind::Bool(_)
            | NodeKind::Str { .. }
            | NodeKind::Number(_)
            | NodeKind::Nil
            | NodeKind::Dot => {
                let term = quote(&self.ast.source_bytes(node));
                return self.error(format!("unexpected . after term {term}"));
            }
            _ => NodeKind::Chain {
                node,
                fields: fields.into(),
            },
        };
        Ok(Some(self.node(pos, kind)))
    }

    /// The name behind the dot of a field token.
    fn ident(&self, token: Token) -> Ident {
        Ident(self.lexer.shared(token).slice(1, usize::MAX))
    }

    fn term(&mut self) -> Result<Option<NodeId>> {
        let token = self.next_non_space();
        let kind = match token.kind {
            Kind::Identifier => {
                let name = String::from_utf8_lossy(self.lexer.text(token)).into_owned();
                let Some(callee) = self.callee(&name) else {
                    return self.error(format!("function {} not defined", quote(name.as_bytes())));
                };
                NodeKind::Function {
                    name: name.into(),
                    callee,
                }
            }
            Kind::Dot => NodeKind::Dot,
            Kind::Nil => NodeKind::Nil,
            Kind::Variable => {
                let var = self.var(token);
                if !self.tree.vars.iter().any(|known| known.id == var.id) {
                    return self.error(format!("undefined variable {}", quote(&var.name)));
                }
                NodeKind::Variable {
                    var,
                    fields: Box::default(),
                }
            }
            Kind::Field => NodeKind::Field([self.ident(token)].into()),
            Kind::Bool => NodeKind::Bool(self.lexer.text(token) == b"true"),
            Kind::CharConstant | Kind::Complex | Kind::Number => {
                match Number::parse(&self.lexer.shared(token), token.kind) {
                    Ok(number) => NodeKind::Number(Box::new(number)),
                    Err(message) => return self.error(message),
                }
            }
            Kind::LeftParen => {
                if self.tree.paren_depth >= Limits::PARENTHESES {
                    return self.error("max expression depth exceeded");
                }
                self.tree.paren_depth += 1;
                let pipe = crate::deep(|| self.pipeline("parenthesized pipeline", Kind::RightParen))?;
                self.tree.paren_depth -= 1;
                return Ok(Some(pipe));
            }
            Kind::String | Kind::RawString => {
                let value = Value::Str(self.unquote(token)?);
                NodeKind::Str {
                    quoted: self.lexer.shared(token),
                    value,
                }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        };
        Ok(Some(self.node(token.start, kind)))
    }

    fn callee(&self, name: &str) -> Option<Callee> {
        let user = self.funcs.get(name).cloned().map(Callee::User);
        user.or_else(|| Builtin::find(name).map(Callee::Builtin))
    }
}
