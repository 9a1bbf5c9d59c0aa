//! Reads the parts of a page that the tests compare. It knows only the HTML that the report writes.

/// The text between the first `from` and the next `to` behind it.
#[track_caller]
pub fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let start = page.find(from).unwrap_or_else(|| panic!("no `{from}`"));
    let rest = &page[start + from.len()..];
    &rest[..rest
        .find(to)
        .unwrap_or_else(|| panic!("no `{to}` behind `{from}`"))]
}

/// The rows of the table with this id, as texts of their cells; the headings first.
#[track_caller]
pub fn table(page: &str, id: &str) -> Vec<Vec<String>> {
    table_behind(page, &format!("id=\"{id}\""))
}

/// The rows of the first table behind `mark`, in the same form.
#[track_caller]
pub fn table_behind(page: &str, mark: &str) -> Vec<Vec<String>> {
    let table = between(page, mark, "</table>");
    let rows = table.split("<tr").skip(1);
    rows.map(|row| {
        let cells = row.split("</th>").flat_map(|part| part.split("</td>"));
        let cells: Vec<&str> = cells.filter(|cell| cell.contains("<t")).collect();
        cells
            .iter()
            .map(|cell| words(&cell[cell.find("<t").unwrap()..]))
            .collect()
    })
    .collect()
}

/// The text of the element `pre` with this id.
#[track_caller]
pub fn copied(page: &str, id: &str) -> String {
    let text = between(page, &format!("<pre id=\"{id}\">"), "</pre>");
    // A parser drops the first newline of the element.
    unescaped(text.strip_prefix('\n').unwrap())
}

/// The text without tags.
fn words(html: &str) -> String {
    let mut text = String::new();
    let mut is_tag = false;
    for letter in html.chars() {
        match letter {
            '<' => is_tag = true,
            '>' if is_tag => is_tag = false,
            letter if !is_tag => text.push(letter),
            _ => {}
        }
    }
    unescaped(&text)
}

fn unescaped(text: &str) -> String {
    let names = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ];
    names.iter().fold(text.to_string(), |text, (name, letter)| {
        text.replace(name, letter)
    })
}
