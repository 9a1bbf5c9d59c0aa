//! The rows of a table as a matrix, like the paper's Tables 1 and 2: a line for each system, a column for each value of
//! the sweep's key, and in each cell the mean of the table's metric with the paper's number beside it.

use super::cell::rounded;
use super::look::Look;
use super::table::{Table, TableRow};
use anyhow::Result;

/// Stands in the cell of a row that no seed has finished.
const OPEN: &str = "–";

/// A matrix of the rows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix<'t> {
    /// The titles of the columns.
    pub columns: Vec<&'t str>,
    /// The lines, each with its title and the row in each column; none where the sweep has no such row.
    pub lines: Vec<(&'t str, Vec<Option<&'t TableRow>>)>,
}

impl<'t> Matrix<'t> {
    /// The matrix of `table`; none if its sweep does not put its rows into columns.
    pub fn of(table: &'t Table) -> Option<Self> {
        let placed = table.rows.iter();
        let placed = placed.filter_map(|row| Some((row.place.as_ref()?, row)));
        let placed: Vec<_> = placed.collect();
        if placed.is_empty() {
            return None;
        }
        let mut columns: Vec<&str> = table.header.columns.iter().map(String::as_str).collect();
        let mut lines: Vec<(&str, Vec<Option<&TableRow>>)> = Vec::new();
        for (place, _) in &placed {
            if !columns.contains(&place.column.as_str()) {
                columns.push(&place.column);
            }
        }
        for (place, row) in placed {
            let column = columns.iter().position(|title| *title == place.column)?;
            let known = lines.iter().position(|(title, _)| *title == place.line);
            let line = known.unwrap_or_else(|| {
                lines.push((&place.line, vec![None; columns.len()]));
                lines.len() - 1
            });
            lines[line].1[column] = Some(row);
        }
        Some(Self { columns, lines })
    }

    /// The columns of the matrix, each with its title, its cells, and true if the cells are numbers.
    pub fn grid(&self, table: &Table, look: &Look) -> Vec<(String, Vec<String>, bool)> {
        let titles = self.lines.iter().map(|(title, _)| title.to_string());
        let mut grid = vec![("system".to_string(), titles.collect(), false)];
        for (index, column) in self.columns.iter().enumerate() {
            let cells = self.lines.iter();
            let cells = cells.map(|(_, rows)| Self::cell(table, rows[index], look));
            grid.push((column.to_string(), cells.collect(), true));
        }
        grid
    }

    /// What the cell of `row` says: the mean of the table's metric, and in brackets the paper's number.
    pub fn cell(table: &Table, row: Option<&TableRow>, look: &Look) -> String {
        let Some(row) = row else {
            return String::new();
        };
        let mean = row.value(&table.metric);
        let mean = match mean {
            Some(_) => rounded(mean, look.decimals()),
            None => OPEN.to_string(),
        };
        match row.paper.filter(|_| look.paper) {
            Some(paper) => format!("{mean} ({paper})"),
            None => mean,
        }
    }

    /// The matrix as CSV: the column `system`, then for each column of the matrix the mean of the metric, its standard
    /// deviation, the finished seeds and the paper's number.
    ///
    /// # Errors
    /// Writing into memory cannot fail.
    pub fn csv(&self, table: &Table, look: &Look) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let metric = &table.metric;
        let head = self.columns.iter().flat_map(|column| {
            [metric.as_str(), &format!("{metric}_std"), "seeds", "paper"]
                .map(|name| format!("{column} {name}"))
        });
        writer.write_record(["system".to_string()].into_iter().chain(head))?;
        for (title, rows) in &self.lines {
            let cells = rows.iter().flat_map(|row| match row {
                None => [const { String::new() }; 4],
                Some(row) => [
                    rounded(row.value(metric), look.decimals()),
                    rounded(row.deviation, look.decimals()),
                    row.seeds.to_string(),
                    row.paper.map_or(String::new(), |paper| paper.to_string()),
                ],
            });
            writer.write_record([title.to_string()].into_iter().chain(cells))?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }

    /// The sentence that explains the cells.
    pub fn legend(table: &Table) -> String {
        let paper = match table.rows.iter().any(|row| row.paper.is_some()) {
            true => ", and in brackets the number in the paper",
            false => "",
        };
        format!(
            "Each cell of the matrix: the mean of {} over the finished seeds{paper}; {OPEN} is not finished.",
            table.metric
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::record;
    use super::super::{FORMATS, Header, RowRecords, write_table};
    use super::*;
    use crate::metrics::MatrixPlace;

    /// Three rows: two of one line, the second of which is not finished, and one of another.
    fn table(columns: &[&str]) -> Table {
        let places =
            [("a|b", "1 %"), ("a|b", "2 %"), ("c", "2 %")].map(|(line, column)| MatrixPlace {
                line: line.into(),
                column: column.into(),
            });
        let records = [record("x", 0, Some(20.126)), record("y", 0, Some(31.0))];
        let found = [Some(&records[0]), None, Some(&records[1])];
        let papers = [Some(21.1), Some(29.3), None];
        let labels = ["a, 1 %", "a, 2 %", "c"];
        let rows: Vec<RowRecords> = (0..3)
            .map(|row| RowRecords {
                label: labels[row],
                paper: papers[row],
                group: None,
                place: Some(&places[row]),
                records: vec![found[row]],
            })
            .collect();
        let header = Header {
            name: "t".into(),
            question: "Which?".into(),
            columns: columns.iter().map(|title| title.to_string()).collect(),
            ..Header::default()
        };
        Table::new(header, &rows, None)
    }

    fn written(table: &Table, format: &str) -> String {
        let format = FORMATS.iter().find(|one| one.name == format).unwrap();
        (format.render)(std::slice::from_ref(table), &Look::default()).unwrap()
    }

    #[test]
    fn lines_and_columns_hold_the_means_beside_the_paper() {
        let own = table(&["1 %", "2 %", "5 %"]);
        let text = written(&own, "md");
        let matrix = "| system | 1 % | 2 % | 5 % |\n| --- | ---: | ---: | ---: |\n\
                      | a\\|b | 20.13 (21.1) | – (29.3) |  |\n| c |  | 31.00 |  |\n";
        assert!(text.contains(matrix), "{text}");
        assert!(
            text.contains("in brackets the number in the paper"),
            "{text}"
        );
        let csv = Matrix::of(&own)
            .unwrap()
            .csv(&own, &Look::default())
            .unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert!(lines[0].starts_with("system,1 % mAP,1 % mAP_std,1 % seeds,1 % paper,2 % mAP,"));
        assert_eq!(lines[1], "a|b,20.13,,1,21.1,,,0,29.3,,,,");
        assert_eq!(lines[2], "c,,,,,31.00,,1,,,,,");
        let latex = written(&own, "latex");
        assert!(
            latex.contains("a\\textbar{}b & \\textbf{20.13} (21.1) & -- (29.3) &  \\\\"),
            "{latex}"
        );
        assert!(latex.contains("system & 1 \\% & 2 \\% & 5 \\%"), "{latex}");
        assert!(written(&own, "text").contains("20.13 (21.1)"));
    }

    #[test]
    fn columns_without_an_order_stand_as_the_rows_have_them() {
        let own = table(&[]);
        assert_eq!(Matrix::of(&own).unwrap().columns, ["1 %", "2 %"]);
        let other = table(&["2 %"]);
        assert_eq!(Matrix::of(&other).unwrap().columns, ["2 %", "1 %"]);
    }

    #[test]
    fn a_file_holds_the_matrix_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut own = table(&[]);
        write_table(folder.path(), &own).unwrap();
        let path = folder.path().join("t.matrix.csv");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("system,1 % mAP,"), "{text}");
        std::fs::remove_file(&path).unwrap();
        for row in &mut own.rows {
            row.place = None;
        }
        assert_eq!(Matrix::of(&own), None);
        write_table(folder.path(), &own).unwrap();
        assert!(!path.exists());
    }
}
