//! What a statement begins with: the command, and what CREATE, ALTER and DROP are about.

use super::lex::{Kind, Reading, Token, Tokens};

/// Tokens that are looked at: more than the longest head has.
const TOKENS_MAX: usize = 96;

/// What CREATE, ALTER and DROP speak of, and how the tag says it. Where one begins like another,
/// the longer is first.
const OBJECTS: &[(&[&str], &str)] = &[
    (&["DATABASE"], "DATABASE"),
    (&["EVENT"], "EVENT"),
    (&["FUNCTION"], "FUNCTION"),
    (&["INDEX"], "INDEX"),
    (&["INSTANCE"], "INSTANCE"),
    (&["LIBRARY"], "LIBRARY"),
    (&["LOGFILE", "GROUP"], "LOGFILE GROUP"),
    (&["PACKAGE", "BODY"], "PACKAGE BODY"),
    (&["PACKAGE"], "PACKAGE"),
    (&["PREPARE"], "PREPARE"),
    (&["PROCEDURE"], "PROCEDURE"),
    (&["RESOURCE", "GROUP"], "RESOURCE GROUP"),
    (&["ROLE"], "ROLE"),
    (&["SCHEMA"], "DATABASE"),
    (&["SEQUENCE"], "SEQUENCE"),
    (&["SERVER"], "SERVER"),
    (
        &["SPATIAL", "REFERENCE", "SYSTEM"],
        "SPATIAL REFERENCE SYSTEM",
    ),
    (&["TABLE"], "TABLE"),
    (&["TABLES"], "TABLE"),
    (&["TABLESPACE"], "TABLESPACE"),
    (&["TRIGGER"], "TRIGGER"),
    (&["USER"], "USER"),
    (&["VIEW"], "VIEW"),
];

/// Words that may stand before those and are not in the tag.
const MODIFIERS: &[&str] = &[
    "AGGREGATE",
    "DUALITY",
    "EXTERNAL",
    "FULLTEXT",
    "IGNORE",
    "JSON",
    "MATERIALIZED",
    "OFFLINE",
    "ONLINE",
    "RELATIONAL",
    "SPATIAL",
    "UNDO",
    "UNIQUE",
    "VECTOR",
];

/// Commands whose tag follows from their first words. A longer form is before a shorter.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["ANALYSE"], "ANALYZE"),
    (&["ANALYZE"], "ANALYZE"),
    (&["BACKUP"], "BACKUP"),
    (&["BEGIN", "NOT", "ATOMIC"], "BEGIN NOT ATOMIC"),
    (&["BINLOG"], "BINLOG"),
    (&["CACHE", "INDEX"], "CACHE INDEX"),
    (&["CALL"], "CALL"),
    (&["CHANGE"], "CHANGE"),
    (&["CHECKSUM"], "CHECKSUM TABLE"),
    (&["CHECK"], "CHECK TABLE"),
    (&["COMMIT"], "COMMIT"),
    (&["DEALLOCATE"], "DEALLOCATE PREPARE"),
    (&["DELETE"], "DELETE"),
    (&["DESC"], "EXPLAIN"),
    (&["DESCRIBE"], "EXPLAIN"),
    (&["DO"], "DO"),
    (&["EXECUTE", "IMMEDIATE"], "EXECUTE IMMEDIATE"),
    (&["EXECUTE"], "EXECUTE"),
    (&["EXPLAIN"], "EXPLAIN"),
    (&["FLUSH"], "FLUSH"),
    (&["GET"], "GET DIAGNOSTICS"),
    (&["GRANT"], "GRANT"),
    (&["HANDLER"], "HANDLER"),
    (&["HELP"], "HELP"),
    (&["IMPORT"], "IMPORT TABLE"),
    (&["INSERT"], "INSERT"),
    (&["INSTALL"], "INSTALL"),
    (&["KILL"], "KILL"),
    (&["LOAD"], "LOAD"),
    (&["LOCK"], "LOCK"),
    (&["OPTIMIZE"], "OPTIMIZE TABLE"),
    (&["PREPARE"], "PREPARE"),
    (&["PURGE"], "PURGE"),
    (&["RELEASE"], "RELEASE SAVEPOINT"),
    (&["RENAME", "TABLE"], "RENAME TABLE"),
    (&["RENAME", "TABLES"], "RENAME TABLE"),
    (&["RENAME", "USER"], "RENAME USER"),
    (&["REPAIR"], "REPAIR TABLE"),
    (&["REPLACE"], "REPLACE"),
    (&["RESET"], "RESET"),
    (&["RESIGNAL"], "RESIGNAL"),
    (&["REVOKE"], "REVOKE"),
    (&["ROLLBACK"], "ROLLBACK"),
    (&["SAVEPOINT"], "SAVEPOINT"),
    (&["SELECT"], "SELECT"),
    (&["SET", "DEFAULT", "ROLE"], "SET DEFAULT ROLE"),
    (&["SET", "PASSWORD"], "SET PASSWORD"),
    (&["SET", "ROLE"], "SET ROLE"),
    (&["SET"], "SET"),
    (&["SHOW"], "SHOW"),
    (&["SIGNAL"], "SIGNAL"),
    (&["START", "TRANSACTION"], "START TRANSACTION"),
    (&["TABLE"], "SELECT"),
    (&["TRUNCATE"], "TRUNCATE TABLE"),
    (&["UNINSTALL"], "UNINSTALL"),
    (&["UNLOCK"], "UNLOCK"),
    (&["UPDATE"], "UPDATE"),
    (&["USE"], "USE"),
    (&["VALUES"], "SELECT"),
    (&["WITH"], "WITH"),
    (&["XA"], "XA"),
];

/// The beginning of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// As [`super::tag`] has it.
    pub(super) tag: String,
    /// OR REPLACE or `IF [NOT] EXISTS`.
    pub(super) conditional: bool,
    /// ALTER ONLINE TABLE.
    pub(super) online: bool,
    /// The clauses `DEFINER = …`, by the tokens that they begin and end with.
    pub(super) definers: Vec<(Token<'a>, Token<'a>)>,
    /// How many tokens are before the name of what the statement is about, with those of SET
    /// STATEMENT.
    pub(super) tokens: usize,
}

impl<'a> Head<'a> {
    /// Reads the head of one statement.
    pub(super) fn of(text: &'a str, reading: impl Into<Reading>) -> Self {
        let reading = reading.into();
        let skipped = set_statement(text, reading);
        let tokens = Tokens::new(text, reading).skip(skipped).take(TOKENS_MAX);
        let tokens: Vec<Token<'a>> = tokens.collect();
        let mut head = Self::of_tokens(&tokens);
        head.tokens += skipped;
        head
    }

    fn of_tokens(tokens: &[Token<'a>]) -> Self {
        let parentheses = tokens.iter().take_while(|token| token.is_symbol(b'('));
        let parentheses = parentheses.count();
        let tokens = tokens.get(parentheses..).unwrap_or_default();
        let mut head = match tokens.split_first() {
            Some((verb, rest)) if verb.is_one_of(&["ALTER", "CREATE", "DROP"]) => {
                Self::of_object(&verb.text.to_ascii_uppercase(), rest)
            }
            _ => Self::of_command(tokens),
        };
        head.tokens += parentheses;
        head
    }

    fn of_command(tokens: &[Token<'a>]) -> Self {
        // Anything else behind BEGIN makes it a block.
        let begins = match tokens {
            [first] => first.is("BEGIN"),
            [first, second] => first.is("BEGIN") && second.is("WORK"),
            _ => false,
        };
        let found = COMMANDS
            .iter()
            .find(|(words, _)| begins_with(tokens, words));
        let (words, tag): (&[&str], &str) = match found {
            _ if begins => (&["BEGIN"], "BEGIN"),
            Some((words, tag)) => (words, tag),
            None => return Self::default(),
        };
        let condition = condition(tokens.get(words.len()..).unwrap_or_default());
        Self {
            tag: tag.to_owned(),
            conditional: condition > 0 && matches!(tag, "RENAME TABLE" | "REVOKE"),
            tokens: words.len() + condition,
            ..Self::default()
        }
    }

    /// Behind CREATE, ALTER or DROP.
    fn of_object(verb: &str, tokens: &[Token<'a>]) -> Self {
        let mut head = Self::default();
        let mut temporary = "";
        let mut rest = tokens;
        while let Some(token) = rest.first() {
            let skipped = if begins_with(rest, &["OR", "REPLACE"]) {
                head.conditional = true;
                2
            } else if let Some(length) = definer(rest) {
                head.definers
                    .extend(rest.get(length - 1).map(|last| (*token, *last)));
                length
            } else if begins_with(rest, &["SQL", "SECURITY"]) {
                3
            } else if token.is("ALGORITHM") {
                2 + usize::from(rest.get(1).is_some_and(|next| next.is_symbol(b'=')))
            } else if token.is("TEMPORARY") {
                temporary = "TEMPORARY ";
                1
            } else if let Some((words, object)) = object(rest) {
                let behind = rest.get(words..).unwrap_or_default();
                let condition = condition(behind);
                head.conditional |= condition > 0;
                head.tag = format!("{verb} {temporary}{object}");
                head.tokens = 1 + tokens.len() - behind.len() + condition;
                return head;
            } else if token.is_one_of(MODIFIERS) {
                head.online |= token.is("ONLINE");
                1
            } else {
                return Self::default();
            };
            rest = rest.get(skipped..).unwrap_or_default();
        }
        Self::default()
    }
}

/// How many tokens `SET STATEMENT … FOR` has, if the statement begins with it; also several.
fn set_statement(text: &str, reading: Reading) -> usize {
    let mut tokens = Tokens::new(text, reading);
    let (mut taken, mut skipped) = (0, 0);
    loop {
        let set = tokens.next().is_some_and(|token| token.is("SET"));
        if !(set && tokens.next().is_some_and(|token| token.is("STATEMENT"))) {
            return skipped;
        }
        taken += 2;
        let (mut depth, mut follows_dot) = (0_usize, false);
        loop {
            let Some(token) = tokens.next() else {
                return skipped;
            };
            taken += 1;
            match token.kind {
                Kind::Symbol(b'(') => depth += 1,
                Kind::Symbol(b')') => depth = depth.saturating_sub(1),
                Kind::Word if depth == 0 && !follows_dot && token.is("FOR") => break,
                _ => {}
            }
            follows_dot = token.is_symbol(b'.');
        }
        skipped = taken;
    }
}

/// What CREATE, ALTER or DROP is about, if that is what the tokens begin with: how many they are,
/// and how the tag says it.
fn object(tokens: &[Token<'_>]) -> Option<(usize, &'static str)> {
    OBJECTS
        .iter()
        .find(|(words, _)| begins_with(tokens, words))
        .map(|(words, object)| (words.len(), *object))
}

/// How many tokens `IF [NOT] EXISTS` has, if they begin with it.
fn condition(tokens: &[Token<'_>]) -> usize {
    [&["IF", "EXISTS"][..], &["IF", "NOT", "EXISTS"][..]]
        .into_iter()
        .find(|words| begins_with(tokens, words))
        .map_or(0, <[&str]>::len)
}

/// How many tokens `DEFINER = user` has, if they begin with it.
fn definer(tokens: &[Token<'_>]) -> Option<usize> {
    let [definer, equals, user, rest @ ..] = tokens else {
        return None;
    };
    if !(definer.is("DEFINER") && equals.is_symbol(b'=')) {
        return None;
    }
    let behind_user = match rest {
        [open, close, ..]
            if user.is_one_of(&["CURRENT_USER", "CURRENT_ROLE"])
                && open.is_symbol(b'(')
                && close.is_symbol(b')') =>
        {
            2
        }
        [host, ..] if host.kind == Kind::Variable => 1,
        [at, host, ..] if at.is_symbol(b'@') && host.start == at.end() => 2,
        // The host may be empty.
        [at, ..] if at.is_symbol(b'@') => 1,
        _ => 0,
    };
    Some(3 + behind_user)
}

/// Whether the tokens begin with these words.
pub(super) fn begins_with(tokens: &[Token<'_>], words: &[&str]) -> bool {
    tokens
        .split_at_checked(words.len())
        .is_some_and(|(first, _)| first.iter().zip(words).all(|(token, word)| token.is(word)))
}
