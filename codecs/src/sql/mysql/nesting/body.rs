//! The body of a routine, trigger, event or package: which blocks are open.

use crate::sql::mysql::lex::{Kind, Token};

/// Reads a body token by token.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    open: Vec<Block>,
    parentheses: usize,
    /// The next token begins a statement.
    at_start: bool,
    /// Behind a word that began a statement: a colon makes it a label.
    after_first: bool,
    handler: Handler,
    previous: Option<Token<'a>>,
}

/// What an END ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// BEGIN, IF, LOOP: nothing is to be known of it.
    Statements,
    /// WHILE or FOR: DO or LOOP divides its head from its statements.
    Counted,
    /// REPEAT; whether its UNTIL was there: the END comes without a semicolon then.
    Repeat(bool),
    /// CASE in an expression, by the parentheses around it.
    Expression(usize),
    /// Declarations in Oracle's grammar: the BEGIN behind them is of the same block.
    Declarations,
    /// PACKAGE, and whether the BEGIN that comes belongs to a routine in it.
    Package(Routine),
}

/// How far a routine in a package is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Routine {
    None,
    /// A semicolon here makes it a declaration.
    Head,
    /// Behind AS or IS.
    Declarations,
}

/// How far `DECLARE … HANDLER FOR condition, …` is read. A statement follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Handler {
    #[default]
    None,
    Declare,
    Conditions,
    Condition,
    AfterCondition,
}

impl Handler {
    fn see(self, token: Token<'_>, at_start: bool) -> Self {
        match self {
            _ if at_start && token.is("DECLARE") => Self::Declare,
            _ if token.is_symbol(b';') => Self::None,
            Self::Declare if token.is("HANDLER") => Self::Conditions,
            Self::Conditions if token.is("FOR") => Self::Condition,
            Self::Condition if token.is_one_of(&["SQLSTATE", "VALUE", "NOT"]) => self,
            Self::Condition => Self::AfterCondition,
            Self::AfterCondition if token.is_symbol(b',') => Self::Condition,
            Self::AfterCondition => Self::None,
            other => other,
        }
    }
}

impl<'a> Body<'a> {
    pub(super) const fn is_flat(&self) -> bool {
        self.open.is_empty()
    }

    /// The next token begins the body.
    pub(super) const fn enter(&mut self) {
        self.at_start = true;
    }

    /// The declarations behind AS or IS begin.
    pub(super) fn enter_declarations(&mut self, as_or_is: Token<'a>) {
        self.open.push(Block::Declarations);
        self.at_start = true;
        self.previous = Some(as_or_is);
    }

    /// Behind the word PACKAGE.
    pub(super) fn enter_package(&mut self) {
        self.open.push(Block::Package(Routine::None));
    }

    pub(super) fn see(&mut self, token: Token<'a>) {
        let handler = self.handler;
        self.handler = handler.see(token, self.at_start);
        if handler == Handler::AfterCondition && self.handler == Handler::None {
            self.at_start = true;
        }
        let (at_start, after_first) = (self.at_start, self.after_first);
        self.at_start = false;
        self.after_first = at_start && token.name().is_some();
        match token.kind {
            Kind::Symbol(b'(') => self.parentheses += 1,
            Kind::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            Kind::Symbol(b';') => self.semicolon(),
            Kind::Symbol(b':') => self.at_start = after_first,
            // Oracle's labels: `<<name>>`.
            Kind::Symbol(b'<' | b'>') => self.at_start = at_start,
            Kind::Word if !self.follows_symbol(b'.') => self.word(token, at_start),
            _ => {}
        }
        if at_start && self.follows_symbol(b'<') {
            self.at_start = true;
        }
        self.previous = Some(token);
    }

    fn follows(&self, word: &str) -> bool {
        self.previous.is_some_and(|previous| previous.is(word))
    }

    fn follows_symbol(&self, symbol: u8) -> bool {
        self.previous
            .is_some_and(|previous| previous.is_symbol(symbol))
    }

    fn semicolon(&mut self) {
        self.at_start = true;
        self.parentheses = 0;
        if let Some(Block::Package(routine)) = self.open.last_mut()
            && *routine == Routine::Head
        {
            *routine = Routine::None;
        }
    }

    fn word(&mut self, token: Token<'a>, at_start: bool) {
        if self.open.is_empty() && !at_start {
            return;
        }
        let word = token.text.to_ascii_uppercase();
        match word.as_str() {
            "END" => self.end(at_start),
            _ if self.follows("END") => {} // END IF, END CASE, END LOOP
            "CASE" if at_start => self.open.push(Block::Statements),
            "CASE" => self.open.push(Block::Expression(self.parentheses)),
            "BEGIN" => self.begin(at_start),
            // BEGIN NOT ATOMIC
            "NOT" => self.at_start = at_start && self.follows("BEGIN"),
            "ATOMIC" => self.at_start = at_start && self.follows("NOT"),
            "IF" if at_start => self.open.push(Block::Statements),
            "LOOP" => {
                if at_start {
                    self.open.push(Block::Statements);
                }
                self.at_start = true;
            }
            "WHILE" | "FOR" if at_start => self.open.push(Block::Counted),
            "REPEAT" if at_start => {
                self.open.push(Block::Repeat(false));
                self.at_start = true;
            }
            "DO" => self.at_start = !at_start && self.open.last() == Some(&Block::Counted),
            "THEN" | "ELSE" => {
                self.at_start = !matches!(self.open.last(), Some(Block::Expression(_)));
            }
            "DECLARE" if at_start && self.open.is_empty() => {
                self.open.push(Block::Declarations);
                self.at_start = true;
            }
            "UNTIL" if at_start => {
                if let Some(Block::Repeat(until)) = self.open.last_mut() {
                    *until = true;
                }
            }
            "PROCEDURE" | "FUNCTION" => self.routine(Routine::None, Routine::Head),
            "AS" | "IS" => self.routine(Routine::Head, Routine::Declarations),
            _ => {}
        }
    }

    /// A routine in a package goes on.
    fn routine(&mut self, from: Routine, to: Routine) {
        if let Some(Block::Package(routine)) = self.open.last_mut() {
            // The AS of the package itself, too, has statements or an END behind it.
            self.at_start = to == Routine::Declarations;
            if *routine == from {
                *routine = to;
            }
        }
    }

    fn begin(&mut self, at_start: bool) {
        match self.open.last_mut() {
            Some(Block::Package(routine)) if *routine != Routine::None => {
                *routine = Routine::None;
                self.open.push(Block::Statements);
            }
            // What a package does at its first use: its END is that of the package.
            Some(Block::Package(_)) => {}
            Some(block @ Block::Declarations) if at_start => *block = Block::Statements,
            _ if at_start => self.open.push(Block::Statements),
            _ => return,
        }
        self.at_start = true;
    }

    fn end(&mut self, at_start: bool) {
        let ends = match self.open.last() {
            Some(Block::Expression(parentheses)) => {
                *parentheses == self.parentheses && !self.wants_operand()
            }
            Some(Block::Repeat(true)) => self.parentheses == 0 && !self.wants_operand(),
            _ => at_start,
        };
        if ends {
            self.open.pop();
        }
    }

    /// Whether an expression cannot end here: END would be a name.
    fn wants_operand(&self) -> bool {
        const OPERATORS: &[&str] = &[
            "AND", "AS", "BETWEEN", "BY", "CASE", "DISTINCT", "DIV", "ELSE", "FROM", "HAVING",
            "IN", "IS", "LIKE", "MOD", "NOT", "ON", "OR", "REGEXP", "RLIKE", "SELECT", "THEN",
            "UNTIL", "WHEN", "WHERE", "XOR",
        ];
        self.previous.is_some_and(|previous| match previous.kind {
            Kind::Symbol(symbol) => symbol != b')',
            _ => previous.is_one_of(OPERATORS),
        })
    }
}
