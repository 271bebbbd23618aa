use super::*;

const ANSI: Mode = Mode {
    ansi_quotes: true,
    no_backslash_escapes: false,
};
const NO_ESCAPES: Mode = Mode {
    ansi_quotes: false,
    no_backslash_escapes: true,
};

fn pieces(text: &str) -> Vec<&str> {
    split(text, Mode::default())
}

#[test]
fn semicolons_end_statements() {
    assert_eq!(pieces(" ;; \n;\t; "), [""; 0]);
    assert_eq!(pieces("-- only\n/* comments */ # x"), [""; 0]);
    assert_eq!(pieces("SELECT 1;;SELECT 2; "), ["SELECT 1", "SELECT 2"]);
    assert_eq!(split("SELECT \"`;\"", ANSI), ["SELECT \"`;\""]);
    assert_eq!(split(r"SELECT '\';'", NO_ESCAPES), [r"SELECT '\'", "'"]);
}

#[test]
fn definers_and_qualifiers_are_taken_out() {
    let text = "CREATE DEFINER=`root`@`%` VIEW myapp_dev.v AS SELECT `myapp_dev`.f(a) FROM t";
    assert_eq!(
        portable(text, "myapp_dev", "myapp__acme", Mode::default()),
        "CREATE VIEW v AS SELECT f(a) FROM t"
    );
    assert_eq!(effect(text, Mode::default()), Effect::Schema);
    assert_eq!(tag(text), "CREATE VIEW");
}
