//! Pseudo-labels by class on the page of a trained store.

use crate::folders::{copy_of, report};
use crate::html::table_behind;
use crate::trained::TRAINED;

#[test]
fn classes_of_pseudo_labels_add_up_to_the_totals_of_their_rows() {
    let (_folder, results) = copy_of(&TRAINED.results());
    let page = report(&results);
    let table = table_behind(&page, "Pseudo-labels by class</h3>");
    assert_eq!(table.len(), 11, "ten classes: {table:?}");
    let number = |line: &[String], column: usize| line[column].parse::<f64>().unwrap();
    for (place, row) in ["PL-DC", "- DICC"].into_iter().enumerate() {
        let column = 1 + 3 * place;
        assert_eq!(table[0][column], format!("{row}: kept"));
        let kept: f64 = table[1..].iter().map(|line| number(line, column)).sum();
        let words = page.split(&format!("<h3>{row}</h3>")).nth(1).unwrap();
        let words = words.split("</p>").next().unwrap();
        assert!(words.contains(&format!("{kept} of ")), "{kept}: {words}");
    }
    let maps = page.matches("<code>kept per step</code>, 2 seeds").count();
    assert_eq!(maps, 2, "a map of each row");
}
