//! The generated documentation is in step with the code.

#[test]
fn the_tables_are_those_of_the_code() {
    for (name, text) in guichet::tables::files() {
        let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{path} is out of step with the code: run `make docs`");
    }
}
