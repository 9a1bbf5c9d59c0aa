//! The titles and cells of a table in LaTeX, each with its width.

use super::super::cell::{interval, p, rounded, signed};
use super::super::columns::{Content, Kind};
use super::super::look::Look;
use super::super::statistics::Verdict;
use super::width::{BOLD, points};
use crate::screen::one_line;

/// A text in LaTeX.
#[derive(Clone, Debug, PartialEq)]
pub struct Typeset {
    /// The text as LaTeX reads it.
    pub code: String,
    /// Its width in points at 10 pt.
    pub width: f64,
}

impl Typeset {
    /// Code that is typeset as `seen`.
    fn new(code: String, seen: &str) -> Self {
        Self {
            code,
            width: points(seen),
        }
    }

    /// A text without any code.
    fn plain(text: &str) -> Self {
        Self::new(escape(text), text)
    }

    /// The text in bold, if `bold`.
    fn bold_if(self, bold: bool) -> Self {
        match bold && !self.code.is_empty() {
            true => Self {
                code: format!("\\textbf{{{}}}", self.code),
                width: self.width * BOLD,
            },
            false => self,
        }
    }

    /// The text with `code` behind it, which is typeset as `seen`.
    fn then(self, code: &str, seen: &str) -> Self {
        Self {
            code: self.code + code,
            width: self.width + points(seen),
        }
    }
}

/// The heading of a column, as short as papers have it. `title` is the one for people.
pub fn title(kind: &Kind, title: &str) -> Typeset {
    match kind {
        Kind::Label => Typeset::plain(""),
        Kind::Seeds => Typeset::new("$n$".into(), "n"),
        Kind::Metric(_) => metric(title),
        Kind::Deviation => Typeset::new("$s$".into(), "s"),
        Kind::Difference => Typeset::new("$\\Delta$".into(), "Δ"),
        Kind::Bootstrap => Typeset::plain("bootstrap"),
        Kind::P => Typeset::new("$p$".into(), "p"),
        Kind::Holm => Typeset::new("$p_\\mathrm{H}$".into(), "pH"),
        Kind::PaperDifference => Typeset::new("$\\Delta_\\mathrm{paper}$".into(), "Δpaper"),
        Kind::Sequence => Typeset::plain("any time"),
        Kind::E => Typeset::new("$E$".into(), "E"),
        Kind::AnyTime => Typeset::new("$p_\\mathrm{any}$".into(), "pany"),
        Kind::Verdict | Kind::Paper | Kind::Status => Typeset::plain(title),
    }
}

/// The name of a metric as papers write it: `AP50` with its index, `AP:person` and `student.mAP` with the class and
/// the model in words, `AP50 (Cityscapes)` with its evaluator.
fn metric(name: &str) -> Typeset {
    let (model, rest) = match name.split_once('.') {
        Some((model, rest)) if ["student", "average", "teacher"].contains(&model) => (model, rest),
        _ => ("", name),
    };
    let (measure, class) = rest.split_once(':').unwrap_or((rest, ""));
    let (measure, evaluator) = match measure.split_once(' ') {
        Some((measure, evaluator)) if evaluator.starts_with('(') => (measure, evaluator),
        _ => (measure, ""),
    };
    let index = ["AP", "AR"].into_iter().find_map(|start| {
        let index = measure
            .strip_prefix(start)
            .filter(|index| !index.is_empty())?;
        Some((start, index))
    });
    let code = match index {
        Some((start, index)) => format!("{start}$_{{{}}}$", escape(index)),
        None => escape(measure),
    };
    let mut title = Typeset::new(code, measure);
    for word in [evaluator, class, model]
        .into_iter()
        .filter(|word| !word.is_empty())
    {
        title = title.then(&format!(" {}", escape(word)), &format!(" {word}"));
    }
    title
}

/// A cell of a column, in its whole or in its short form.
pub fn cell(cell: &Content, kind: &Kind, look: &Look, short: bool) -> Typeset {
    let digits = look.decimals();
    match cell {
        Content::Text(text) if *kind == Kind::Label => label(text),
        Content::Text(text) if short => Typeset::plain(text.split([':', ' ']).next().unwrap_or("")),
        Content::Text(text) => Typeset::plain(text),
        Content::Count(count) => Typeset::plain(&count.to_string()),
        Content::Mean(value, deviation, best) => {
            let mean = math(&rounded(*value, digits)).bold_if(*best);
            match deviation.filter(|_| !short) {
                Some(deviation) => {
                    let deviation = rounded(Some(deviation), digits);
                    mean.then(&format!(" $\\pm$ {deviation}"), &format!(" ± {deviation}"))
                }
                None => mean,
            }
        }
        Content::Number(value) => math(&rounded(*value, digits)),
        Content::Signed(value) => math(&signed(*value, digits)),
        Content::Difference(found, conclusive) => {
            let mean = math(&signed(found.map(|found| found.mean), digits));
            let bounds = found.and_then(|found| found.interval);
            let mean = match bounds.filter(|_| !short && !look.compact) {
                Some(bounds) => {
                    let bounds = math(&interval(Some(bounds), digits));
                    Typeset {
                        code: format!("{} {}", mean.code, bounds.code),
                        width: mean.width + points(" ") + bounds.width,
                    }
                }
                None => mean,
            };
            match look.compact && *conclusive {
                true => mean.then("$^{*}$", "*"),
                false => mean,
            }
        }
        Content::Interval(bounds) => math(&interval(*bounds, digits)),
        Content::P(value) => Typeset::plain(&p(*value)),
        Content::Verdict(verdict) => {
            let bold = verdict.is_some_and(|one| one != Verdict::Inconclusive);
            let word = verdict.map_or(String::new(), |one| one.to_string());
            Typeset::plain(&word).bold_if(bold)
        }
    }
}

/// Numbers in math mode where they have a minus or a plus, so that it is typeset as one.
fn math(text: &str) -> Typeset {
    let seen = text.replace('-', "−");
    match text.contains(['-', '+', '[']) {
        true => Typeset::new(format!("${}$", text.replace(", ", ",\\ ")), &seen),
        false => Typeset::new(text.to_string(), &seen),
    }
}

/// The label of a row; `- DICC` gets a minus sign. The braces keep LaTeX from reading `[` and `*` as part of
/// the line end before them.
fn label(text: &str) -> Typeset {
    let text = one_line(text);
    let code = match text.strip_prefix('-') {
        Some(rest) if rest.is_empty() || rest.starts_with(' ') => format!("$-${}", escape(rest)),
        _ if text.starts_with(['[', '*']) => format!("{{}}{}", escape(&text)),
        _ => escape(&text),
    };
    Typeset::new(code, &text.replacen('-', "−", 1))
}

/// `text` on one line, with every special character of LaTeX escaped.
pub fn escape(text: &str) -> String {
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
        assert_eq!(label("- DF-ACAT").code, "$-$ DF-ACAT");
        assert_eq!(label("-").code, "$-$");
        assert_eq!(label("-1").code, "-1");
        assert_eq!(label("[2, 3]*").code, "{}[2, 3]*");
        let title = |name: &str| metric(name).code;
        assert_eq!(title("AP50"), "AP$_{50}$");
        assert_eq!(title("mAP"), "mAP");
        assert_eq!(title("AP50%"), "AP$_{50\\%}$");
        assert_eq!(title("AP"), "AP");
        assert_eq!(title("AR100"), "AR$_{100}$");
        assert_eq!(title("AP:traffic_light"), "AP traffic\\_light");
        assert_eq!(title("student.AP50"), "AP$_{50}$ student");
        assert_eq!(title("AP50 (Cityscapes)"), "AP$_{50}$ (Cityscapes)");
        assert_eq!(title("AP (Cityscapes):car"), "AP (Cityscapes) car");
        assert_eq!(math("-1.50").code, "$-1.50$");
        assert_eq!(math("[-1.50, 2.00]").code, "$[-1.50,\\ 2.00]$");
    }

    proptest! {
        /// No text can open or close a group, or start mathematics, a comment, a column or a line.
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
