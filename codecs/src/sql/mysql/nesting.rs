//! Whether a semicolon ends a statement or one inside it.
//!
//! Key words of compound statements are names too (`SELECT end, t.case FROM …`, `IF(a, b, c)`,
//! `DROP TABLE IF EXISTS`). What tells them apart is where they stand: a statement inside a body
//! begins behind `;`, BEGIN, THEN, ELSE, DO, LOOP, REPEAT, a label, or the conditions of a handler.

mod body;

use body::Body;

use super::lex::{Kind, Token};

/// Reads a statement token by token.
#[derive(Debug, Default)]
pub(super) struct Nesting<'a> {
    place: Place,
    parentheses: usize,
    previous: Option<Token<'a>>,
    body: Body<'a>,
}

/// How far the head of a statement is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Start,
    /// Behind a first word that may be a label.
    Label,
    /// Behind BEGIN: a transaction, or a block of its own.
    Begin,
    /// Behind SET, and behind SET STATEMENT up to its FOR.
    Set,
    SetStatement,
    /// Between CREATE or ALTER and what it is about.
    Create,
    Alter,
    /// At the name of a routine, behind it, and behind its parameters.
    Routine,
    Named,
    /// Among the characteristics: the body may begin.
    Clauses,
    /// The same of one that Oracle's grammar describes: declarations follow AS.
    OracleClauses,
    /// Before EACH ROW.
    Trigger,
    /// Before DO.
    Event,
    Body,
    /// Nothing that comes has other statements inside.
    Plain,
}

/// What CREATE and ALTER are about, as far as it has no body.
const WITHOUT_BODY: &[&str] = &[
    "TABLE",
    "TABLES",
    "VIEW",
    "INDEX",
    "SEQUENCE",
    "DATABASE",
    "SCHEMA",
    "USER",
    "ROLE",
    "SERVER",
    "TABLESPACE",
    "LOGFILE",
    "INSTANCE",
    "RESOURCE",
];

/// What a body begins with that is one simple statement. It has no other inside.
const SIMPLE: &[&str] = &[
    "ALTER", "ANALYZE", "CALL", "CHECK", "COMMIT", "CREATE", "DELETE", "DO", "DROP", "EXECUTE",
    "FLUSH", "GET", "GRANT", "INSERT", "LOAD", "OPTIMIZE", "PREPARE", "RENAME", "REPAIR",
    "REPLACE", "RESIGNAL", "RETURN", "REVOKE", "ROLLBACK", "SELECT", "SET", "SHOW", "SIGNAL",
    "START", "TRUNCATE", "UPDATE", "VALUES", "WITH",
];

/// What a body begins with that has others inside.
const COMPOUND: &[&str] = &[
    "BEGIN", "CASE", "DECLARE", "FOR", "IF", "LOOP", "REPEAT", "WHILE",
];

impl<'a> Nesting<'a> {
    /// Whether a semicolon here ends the statement.
    pub(super) fn is_flat(&self) -> bool {
        self.body.is_flat()
    }

    /// Reads the next token, which is no semicolon that ends the statement.
    pub(super) fn see(&mut self, token: Token<'a>) {
        if self.place == Place::Body {
            self.body.see(token);
            return;
        }
        match token.kind {
            Kind::Symbol(b'(') => self.parentheses += 1,
            Kind::Symbol(b')') => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
        if self.parentheses == 0 {
            self.place = self.follow(token);
        } else if self.place == Place::Start {
            self.place = Place::Plain;
        }
        self.previous = Some(token);
    }

    fn follows(&self, word: &str) -> bool {
        self.previous.is_some_and(|previous| previous.is(word))
    }

    fn follow(&mut self, token: Token<'a>) -> Place {
        let follows_dot = self.previous.is_some_and(|last| last.is_symbol(b'.'));
        match self.place {
            Place::Start => self.start(token),
            Place::Label if token.is_symbol(b':') => self.enter_body(None),
            Place::Begin if token.is("WORK") || token.kind != Kind::Word => Place::Plain,
            Place::Begin => {
                let begin = self.previous;
                self.enter_body(begin);
                self.body.see(token);
                Place::Body
            }
            Place::Set if token.is("STATEMENT") => Place::SetStatement,
            Place::SetStatement if token.is("FOR") && !follows_dot => Place::Start,
            Place::Label | Place::Set => Place::Plain,
            Place::Create | Place::Alter => self.object(token),
            Place::Routine if token.is_one_of(&["IF", "NOT", "EXISTS"]) => self.place,
            Place::Routine => Place::Named,
            // A qualified name goes on.
            Place::Named if token.is_symbol(b'.') => Place::Routine,
            Place::Named if token.is_symbol(b')') => Place::Named,
            Place::Named if token.is_one_of(&["AS", "IS"]) => self.declarations(token),
            Place::Named if token.is("RETURN") => Place::OracleClauses,
            Place::Named => self.clause(token, Place::Clauses),
            Place::OracleClauses if token.is_one_of(&["AS", "IS"]) => self.declarations(token),
            Place::Clauses | Place::OracleClauses => self.clause(token, self.place),
            Place::Trigger if token.is("ROW") && self.follows("EACH") => Place::Clauses,
            Place::Event if token.is("DO") && !follows_dot => Place::Clauses,
            Place::SetStatement | Place::Trigger | Place::Event => self.place,
            Place::Body | Place::Plain => self.place,
        }
    }

    fn start(&mut self, token: Token<'a>) -> Place {
        match token.kind {
            Kind::Word if token.is("CREATE") => Place::Create,
            Kind::Word if token.is("ALTER") => Place::Alter,
            Kind::Word if token.is("SET") => Place::Set,
            Kind::Word if token.is("BEGIN") => Place::Begin,
            Kind::Word if token.is_one_of(COMPOUND) => self.enter_body(Some(token)),
            Kind::Word if token.is_one_of(SIMPLE) => Place::Plain,
            Kind::Word | Kind::Quoted => Place::Label,
            _ => Place::Plain,
        }
    }

    /// Behind CREATE or ALTER.
    fn object(&mut self, token: Token<'a>) -> Place {
        let creates = self.place == Place::Create;
        // `DEFINER = event@localhost` speaks of a user.
        if self.previous.is_some_and(|last| last.is_symbol(b'=')) {
            return self.place;
        }
        match token.kind {
            Kind::Word if token.is("EVENT") => Place::Event,
            Kind::Word if token.is("TRIGGER") && creates => Place::Trigger,
            Kind::Word if token.is_one_of(&["FUNCTION", "PROCEDURE"]) && creates => Place::Routine,
            Kind::Word if token.is("PACKAGE") && creates => {
                self.body.enter_package();
                Place::Body
            }
            Kind::Word if token.is_one_of(WITHOUT_BODY) => Place::Plain,
            _ => self.place,
        }
    }

    /// Among the characteristics of a routine, or at the body of a trigger or event.
    fn clause(&mut self, token: Token<'a>, place: Place) -> Place {
        // The type SET, and the character set of a type.
        let of_type = token.is("SET")
            && ["RETURNS", "RETURN", "CHARACTER", "CHAR"]
                .iter()
                .any(|word| self.follows(word));
        match token.kind {
            Kind::Symbol(b':') => self.enter_body(None),
            Kind::Word if token.is_one_of(COMPOUND) => self.enter_body(Some(token)),
            Kind::Word if token.is_one_of(SIMPLE) && !of_type => Place::Plain,
            _ => place,
        }
    }

    fn declarations(&mut self, as_or_is: Token<'a>) -> Place {
        self.body.enter_declarations(as_or_is);
        Place::Body
    }

    /// The body begins with this token, or with the next.
    fn enter_body(&mut self, token: Option<Token<'a>>) -> Place {
        self.body.enter();
        if let Some(token) = token {
            self.body.see(token);
        }
        Place::Body
    }
}
