//! Decides which columns of a table remain where there is not enough room, and in which form.
//!
//! A column has one form or several, the widest first. The caller gives the order in which columns give way: at
//! each of its steps one column takes its next form, or is left out if it has none. The steps end as soon as the
//! table fits. The unit of width is the caller's: columns of a terminal, points of a page.

/// The widths that a column can have.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// The width of each form, the widest first.
    pub forms: Vec<f64>,
    /// The width down to which its text can be broken into lines; none if it cannot.
    pub least: Option<f64>,
}

impl Constraint {
    /// The room that the form must have.
    fn least(&self, form: usize) -> f64 {
        let whole = self.forms[form];
        self.least.map_or(whole, |least| least.min(whole))
    }
}

/// The form in which each of `columns` remains; none for a column that is left out.
///
/// `order` holds the indices of the columns in the order in which they give way; a column may stand in it once for
/// each of its forms. The last form of a column that stands in it less often is never left out. `gap` is the room
/// that each column needs beside its form, `limit` the room of the table.
pub fn fit(columns: &[Constraint], order: &[usize], gap: f64, limit: f64) -> Vec<Option<usize>> {
    let mut forms: Vec<Option<usize>> = vec![Some(0); columns.len()];
    let needed = |forms: &[Option<usize>]| -> f64 {
        let pairs = columns.iter().zip(forms);
        let kept = pairs.filter_map(|(column, form)| Some(column.least((*form)?) + gap));
        kept.sum()
    };
    for &column in order {
        if needed(&forms) <= limit {
            break;
        }
        let next = forms[column].map(|form| form + 1);
        forms[column] = next.filter(|form| *form < columns[column].forms.len());
    }
    forms
}

/// The widths of broken columns: `room` is what they have together, `columns` are the least and the whole width of
/// each. Nobody gets more than the whole width, and what is left goes to those who lack most.
pub fn share(room: f64, columns: &[(f64, f64)]) -> Vec<f64> {
    let mut widths: Vec<f64> = columns.iter().map(|(least, _)| *least).collect();
    let mut left = room - widths.iter().sum::<f64>();
    while left >= 1.0 {
        let lacks = |index: &usize| columns[*index].1 - widths[*index];
        let most = (0..widths.len()).max_by(|x, y| lacks(x).total_cmp(&lacks(y)));
        match most.filter(|index| lacks(index) > 0.0) {
            Some(index) => widths[index] += 1.0,
            None => break,
        }
        left -= 1.0;
    }
    widths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(forms: &[f64], least: Option<f64>) -> Constraint {
        Constraint {
            forms: forms.to_vec(),
            least,
        }
    }

    #[test]
    fn columns_give_way_in_their_order_and_no_more_than_needed() {
        let columns = [
            column(&[30.0], Some(10.0)),
            column(&[12.0, 5.0], None),
            column(&[20.0], None),
        ];
        let order = [2, 1, 1];
        let at = |limit| fit(&columns, &order, 2.0, limit);
        assert_eq!(at(48.0), [Some(0), Some(0), Some(0)]);
        assert_eq!(at(47.0), [Some(0), Some(0), None]);
        assert_eq!(at(25.0), [Some(0), Some(1), None]);
        assert_eq!(at(18.0), [Some(0), None, None]);
        assert_eq!(at(1.0), [Some(0), None, None], "the first one stays");
    }

    #[test]
    fn room_goes_to_the_column_that_lacks_most() {
        assert_eq!(share(30.0, &[(10.0, 12.0), (10.0, 40.0)]), [10.0, 20.0]);
        assert_eq!(share(60.0, &[(10.0, 12.0), (10.0, 40.0)]), [12.0, 40.0]);
        assert_eq!(share(5.0, &[(10.0, 12.0)]), [10.0]);
    }
}
