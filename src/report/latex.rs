//! Tables as LaTeX, for a paper: `booktabs`, the best number of every column in bold, arrows for the differences to the reference row.

use super::cell::{interval, number, one_line, p, verdict};
use super::legend;
use super::metric::Metric;
use super::record::Metrics;
use super::statistics::Verdict;
use super::table::{Row, Table};
use anyhow::Result;

/// How the output is used.
const USE: &str = "% Needs \\usepackage{booktabs}; put it in with \\input, and into \\resizebox if it is too wide.\n\
                   % Bold: the best of a column. Arrows: mean paired difference to the reference row.\n";

/// The tables, one below the other.
pub fn render(tables: &[Table]) -> Result<String> {
    let rendered: Vec<String> = tables.iter().map(table).collect();
    Ok(format!("{USE}{}", rendered.concat()))
}

fn table(table: &Table) -> String {
    let header = &table.header;
    let mut text = String::new();
    for line in header.provenance.iter().chain(&legend::of(table)) {
        text.push_str(&format!("% {}\n", one_line(line)));
    }
    let metrics: Vec<Metric> = Metric::ALL
        .into_iter()
        .filter(|metric| table.rows.iter().any(|row| metric.of(&row.mean).is_some()))
        .collect();
    let judged = table.rows.iter().any(|row| row.judged.is_some());
    let paper = table.rows.iter().any(|row| row.paper.is_some());
    let unfinished = table.rows.iter().any(|row| row.status != "ok");

    let mut titles: Vec<String> = vec![String::new()];
    titles.push("seeds".to_string());
    titles.extend(metrics.iter().map(|metric| title(*metric)));
    let mut align = format!("lr{}", "r".repeat(metrics.len()));
    for (shown, letters, more) in [
        (
            judged,
            "lrl",
            &["$\\Delta$ [95\\,\\%]", "$p$", "verdict"][..],
        ),
        (paper, "r", &["paper"]),
        (unfinished, "l", &["status"]),
    ] {
        if shown {
            align.push_str(letters);
            titles.extend(more.iter().map(|title| title.to_string()));
        }
    }
    text.push_str(&format!(
        "\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\label{{tab:{}}}\n  \\begin{{tabular}}{{{align}}}\n    \\toprule\n",
        escape(&header.question),
        key(&header.name)
    ));
    text.push_str(&format!("    {} \\\\\n    \\midrule\n", titles.join(" & ")));
    let best = Metrics::each(|metric| {
        let means = table.rows.iter().filter_map(|row| metric.of(&row.mean));
        means.max_by(f64::total_cmp)
    });
    for row in &table.rows {
        let mut cells = vec![label(&row.label), row.seeds.to_string()];
        cells.extend(
            metrics
                .iter()
                .map(|metric| mean(table, row, *metric, &best)),
        );
        if judged {
            cells.extend(tests(row));
        }
        if paper {
            cells.push(with_arrow(
                number(row.paper),
                row.paper_delta,
                is_reference(table, row),
            ));
        }
        if unfinished {
            cells.push(escape(&row.status));
        }
        text.push_str(&format!("    {} \\\\\n", cells.join(" & ")));
    }
    text.push_str("    \\bottomrule\n  \\end{tabular}\n\\end{table}\n");
    text
}

fn is_reference(table: &Table, row: &Row) -> bool {
    table.header.reference.as_deref() == Some(row.label.as_str())
}

/// A mean, bold if no row has a higher one, with its deviation and the difference to the reference.
fn mean(table: &Table, row: &Row, metric: Metric, best: &Metrics) -> String {
    let shown = number(metric.of(&row.mean));
    let mut marked = match !shown.is_empty() && shown == number(metric.of(best)) {
        true => format!("\\textbf{{{shown}}}"),
        false => shown,
    };
    if let Some(deviation) = row.deviation.filter(|_| metric == table.metric) {
        marked.push_str(&format!(" $\\pm$ {}", number(Some(deviation))));
    }
    with_arrow(marked, metric.of(&row.deltas), is_reference(table, row))
}

/// `17.86 ($\downarrow$ 1.10)`; the reference row has no arrow.
fn with_arrow(number_text: String, delta: Option<f64>, is_reference: bool) -> String {
    let Some(delta) = delta.filter(|_| !is_reference && !number_text.is_empty()) else {
        return number_text;
    };
    let size = number(Some(delta.abs()));
    let arrow = match delta {
        _ if size == "0.00" => "$=$",
        _ if delta > 0.0 => "$\\uparrow$",
        _ => "$\\downarrow$",
    };
    format!("{number_text} ({arrow} {size})")
}

/// Difference with its interval, adjusted p, verdict.
fn tests(row: &Row) -> [String; 3] {
    let Some(judged) = row.judged else {
        return Default::default();
    };
    let difference = judged.difference;
    let bounds = interval(difference.interval);
    // In mathematics, so that a minus is one.
    let inner = format!("{} {bounds}", number(Some(difference.mean)));
    let word = verdict(Some(&judged));
    [
        format!("${}$", inner.trim_end().replace(' ', "\\ ")),
        p(judged.adjusted),
        match judged.verdict {
            Verdict::Inconclusive => word,
            Verdict::Helps | Verdict::Hurts => format!("\\textbf{{{word}}}"),
        },
    ]
}

/// `AP50` as in papers.
fn title(metric: Metric) -> String {
    match metric.name().strip_prefix("AP") {
        Some(part) => format!("AP$_{{{part}}}$"),
        None => metric.name().to_string(),
    }
}

/// A row's label; `- DICC` has a minus. The braces keep `[` and `*` from being read as part of the line end before them.
fn label(text: &str) -> String {
    let text = one_line(text);
    match text.strip_prefix('-') {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => format!("$-${}", escape(rest)),
        _ if text.starts_with(['[', '*']) => format!("{{}}{}", escape(&text)),
        _ => escape(&text),
    }
}

/// `text` on one line, every character that LaTeX reads as a command as itself.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    let line = match text.starts_with(' ') {
        true => format!(" {}", one_line(text)),
        false => one_line(text),
    };
    for letter in line.chars() {
        match letter {
            '&' | '%' | '_' | '#' | '$' | '{' | '}' => escaped.extend(['\\', letter]),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '\\' => escaped.push_str("\\textbackslash{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A name that a `\label` may have.
fn key(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    name.chars()
        .map(|letter| if plain(letter) { letter } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_text_and_a_minus_is_one() {
        assert_eq!(
            escape(r"a & b_c 5% #1 $x$ {y} ~ ^ \z"),
            r"a \& b\_c 5\% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z"
        );
        assert_eq!(label("- DF-ACAT"), "$-$ DF-ACAT");
        assert_eq!(label("-"), "$-$");
        assert_eq!(label("-1"), "-1");
        assert_eq!(label("[2, 3]*"), "{}[2, 3]*");
        assert_eq!(title(Metric::Ap50), "AP$_{50}$");
        assert_eq!(title(Metric::MeanAp), "mAP");
    }

    proptest! {
        /// No text opens or closes a group, starts mathematics, a comment, a column or a line.
        #[test]
        fn no_text_escapes(text in "\\PC*|[&%_#${}~^\\\\a \n-]{0,40}") {
            let escaped = escape(&text);
            let mut depth = 0i32;
            let mut letters = escaped.chars();
            while let Some(letter) = letters.next() {
                match letter {
                    '\\' => {
                        let next = letters.next().unwrap();
                        prop_assert!("&%_#${}t".contains(next), "{escaped}");
                    }
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => prop_assert!(!"&%_#$~^\n".contains(letter), "{escaped}"),
                }
                prop_assert!((0..=1).contains(&depth));
            }
            prop_assert_eq!(depth, 0);
        }
    }
}
