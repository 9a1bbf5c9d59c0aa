//! A table as Markdown, for people: the question, the rows, what the columns mean, where the run comes from.

use super::table::{COLUMNS, Header, Table};
use anyhow::Result;

/// What the columns mean.
const LEGEND: &str = "mAP and its parts: COCO mask AP in percent, means over the finished seeds; `mAP_std`: sample standard \
                      deviation over the seeds;\n`delta_mAP`: mean of the paired differences per seed";

/// The file's content.
pub fn render(table: &Table) -> Result<String> {
    let Header {
        question,
        reference,
        paper,
        provenance,
    } = &table.header;
    let mut text = format!("# {}\n\n", one_line(question));
    for line in provenance {
        text.push_str(&format!("- {}\n", one_line(line)));
    }
    if !provenance.is_empty() {
        text.push('\n');
    }
    push_line(&mut text, &COLUMNS.map(str::to_string));
    // Text to the left, numbers to the right.
    push_line(
        &mut text,
        &COLUMNS.map(|name| {
            if matches!(name, "variant" | "status") {
                "---"
            } else {
                "---:"
            }
            .to_string()
        }),
    );
    for row in &table.rows {
        push_line(&mut text, &row.cells());
    }
    text.push_str(&format!("\n{LEGEND}"));
    if let Some(reference) = reference {
        text.push_str(&format!(" to `{}`", one_line(reference)));
    }
    text.push_str(", `delta_low` to `delta_high` its 95 % interval (Student, paired).\n");
    if let Some(paper) = paper {
        text.push_str(&format!(
            "`paper_mAP`: the paper's {}; `paper_delta`: its difference.\n",
            one_line(paper)
        ));
    }
    Ok(text)
}

fn push_line(text: &mut String, cells: &[String]) {
    let escaped: Vec<String> = cells
        .iter()
        .map(|cell| one_line(cell).replace('|', "\\|"))
        .collect();
    text.push_str(&format!("| {} |\n", escaped.join(" | ")));
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use crate::report::{FORMATS, Header, Metrics, Record, RowRecords, Status, Table};

    fn record(seed: u64, map: Option<f64>) -> Record {
        let metrics = map.map(|map| Metrics {
            mean_ap: Some(map),
            ap50: Some(2.0 * map),
            ..Metrics::default()
        });
        let status = if map.is_some() {
            Status::Ok
        } else {
            Status::Failed
        };
        let error = map
            .is_none()
            .then(|| "the loss is\nnot finite at step 7 | 3".to_string());
        Record {
            recipe: "r".into(),
            hash: format!("{seed}"),
            label: String::new(),
            seed,
            steps: 9,
            status,
            error,
            metrics,
            student: None,
            average: None,
        }
    }

    fn table() -> Table {
        let records: Vec<Vec<Option<Record>>> = [
            [Some(20.0), Some(23.0), Some(26.0)].map(Some),
            [Some(Some(19.0)), None, Some(Some(24.0))],
            [Some(Some(30.0)), Some(None), None],
            [None, None, None],
        ]
        .map(|row| {
            row.into_iter()
                .zip(0..)
                .map(|(map, seed)| map.map(|map| record(seed, map)))
                .collect()
        })
        .to_vec();
        let labels = [
            ("PL-DC", Some(21.8)),
            ("- all", Some(20.6)),
            ("bad, one", None),
            ("none", None),
        ];
        let rows: Vec<RowRecords> = labels
            .into_iter()
            .zip(&records)
            .map(|((label, paper), row)| RowRecords {
                label,
                paper,
                records: row.iter().map(Option::as_ref).collect(),
            })
            .collect();
        let header = Header {
            question: "What matters?".into(),
            reference: Some("PL-DC".into()),
            paper: Some("Table 3, mAP".into()),
            provenance: vec!["commit abc".into(), "seeds 0, 1, 2".into()],
        };
        Table::new(header, &rows)
    }

    /// Differences of `- all` over its two common seeds: -1 and -2; mean -1.5, deviation 0.7071, t(1) 12.706.
    #[test]
    fn the_files_are_these_bytes() {
        let rendered: Vec<String> = FORMATS
            .iter()
            .map(|format| (format.render)(&table()).unwrap())
            .collect();
        assert_eq!(
            rendered[0],
            "variant,seeds,mAP,mAP_std,AP50,AP75,APs,APm,APl,delta_mAP,paper_mAP,delta_low,delta_high,paper_delta,status\n\
             PL-DC,3,23.00,3.00,46.00,,,,,0.00,21.80,0.00,0.00,0.00,ok\n\
             - all,2,21.50,3.54,43.00,,,,,-1.50,20.60,-7.85,4.85,-1.20,pending (2/3)\n\
             \"bad, one\",1,30.00,,60.00,,,,,10.00,,,,,failed: the loss is not finite at step 7 | 3 (seed 1)\n\
             none,0,,,,,,,,,,,,,pending (0/3)\n"
        );
        assert_eq!(
            rendered[1],
            "# What matters?\n\n- commit abc\n- seeds 0, 1, 2\n\n\
             | variant | seeds | mAP | mAP_std | AP50 | AP75 | APs | APm | APl | delta_mAP | paper_mAP | delta_low | delta_high | paper_delta | status |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n\
             | PL-DC | 3 | 23.00 | 3.00 | 46.00 |  |  |  |  | 0.00 | 21.80 | 0.00 | 0.00 | 0.00 | ok |\n\
             | - all | 2 | 21.50 | 3.54 | 43.00 |  |  |  |  | -1.50 | 20.60 | -7.85 | 4.85 | -1.20 | pending (2/3) |\n\
             | bad, one | 1 | 30.00 |  | 60.00 |  |  |  |  | 10.00 |  |  |  |  | failed: the loss is not finite at step 7 \\| 3 (seed 1) |\n\
             | none | 0 |  |  |  |  |  |  |  |  |  |  |  |  | pending (0/3) |\n\n\
             mAP and its parts: COCO mask AP in percent, means over the finished seeds; `mAP_std`: sample standard deviation over the seeds;\n\
             `delta_mAP`: mean of the paired differences per seed to `PL-DC`, `delta_low` to `delta_high` its 95 % interval (Student, paired).\n\
             `paper_mAP`: the paper's Table 3, mAP; `paper_delta`: its difference.\n"
        );
    }
}
