//! `[grid]` and `[zip]`: turn lists of values into points, by their product or in step.

use super::Variant;
use super::axis::{Axis, Point};
use super::condition::Condition;
use super::reader::SweepReader;
use crate::recipe::file::{Node, Tree};
use toml::{Table, Value};

/// Maximum number of points of a grid. More are certainly a mistake and would fill the memory.
const MOST_POINTS: usize = 1_000_000;

/// Stands in a label for an axis that does not exist at the point.
const ABSENT: &str = "-";

/// The content of `[grid]` or `[zip]`.
struct AxesTable<'a> {
    axes: Vec<Axis<'a>>,
    /// `label`: a string or a list of strings.
    label: Option<&'a Node>,
    papers: Option<(&'a Node, Vec<Option<f64>>)>,
    exclude: Vec<Condition<'a>>,
}

impl<'a> SweepReader<'a> {
    /// The product of all axes without the excluded points. The last axis changes fastest.
    pub fn grid(&mut self, node: &'a Node, below: &Table) -> Vec<Variant> {
        let written = self.read_axes(node, true);
        let mut points: Vec<Point> = vec![Vec::new()];
        for axis in &written.axes {
            let mut wider = Vec::new();
            for point in points {
                if wider.len() > MOST_POINTS {
                    let message = format!("`grid`: more than {MOST_POINTS} variants");
                    self.report(axis.node.value.clone(), message);
                    return Vec::new();
                }
                if self.exists(axis, &point, node, below) {
                    let with = |value| point.iter().copied().chain([(axis, value)]).collect();
                    wider.extend(axis.values.iter().map(with));
                } else {
                    wider.push(point);
                }
            }
            points = wider;
        }
        if !written.exclude.is_empty() {
            points.retain(|point| {
                let settings = self.settings_of(point, node, below);
                let held = written
                    .exclude
                    .iter()
                    .filter(|condition| condition.holds(&settings));
                held.count() == 0
            });
        }
        self.variants(&written, points, node, below)
    }

    /// All axes in step.
    pub fn zip(&mut self, node: &'a Node, below: &Table) -> Vec<Variant> {
        let written = self.read_axes(node, false);
        let length = written.axes.first().map_or(0, |first| first.values.len());
        if let Some(odd) = written.axes.iter().find(|axis| axis.values.len() != length) {
            let message = format!(
                "`zip`: the lists have different lengths: `{}` {}, `{}` {length}",
                odd.path,
                odd.values.len(),
                written.axes[0].path
            );
            self.report(odd.node.value.clone(), message);
            return Vec::new();
        }
        let mut points = Vec::new();
        for index in 0..length {
            let mut point: Point = Vec::new();
            for axis in &written.axes {
                if self.exists(axis, &point, node, below) {
                    point.push((axis, &axis.values[index]));
                }
            }
            points.push(point);
        }
        self.variants(&written, points, node, below)
    }

    fn exists(&mut self, axis: &Axis, point: &Point<'_, 'a>, node: &Node, below: &Table) -> bool {
        let Some(when) = &axis.when else {
            return true;
        };
        when.holds(&self.settings_of(point, node, below))
    }

    fn read_axes(&mut self, node: &'a Node, product: bool) -> AxesTable<'a> {
        let (mut label, mut papers, mut exclude) = (None, None, Vec::new());
        let mut axes = Vec::new();
        for (key, inner) in self.entries(node, "a table of lists") {
            match key.as_str() {
                "label" => label = Some(inner),
                "paper" => papers = Some((inner, self.numbers(inner))),
                "exclude" if product => exclude = self.exclusions(inner),
                _ => self.axis(key, inner, &mut axes),
            }
        }
        if axes.is_empty() && self.problems.is_empty() {
            let message = "expected `\"key.path\" = [values]`, at least one";
            self.report(node.value.clone(), message);
        }
        for (index, axis) in axes.iter().enumerate() {
            if let Some(when) = &axis.when {
                self.check_condition(when, &axes[..index], &axes[index..]);
            }
        }
        for condition in &exclude {
            self.check_condition(condition, &axes, &[]);
        }
        AxesTable {
            axes,
            label,
            papers,
            exclude,
        }
    }

    fn exclusions(&mut self, node: &'a Node) -> Vec<Condition<'a>> {
        let Tree::Array(items) = &node.tree else {
            let message = "`exclude`: expected a list, like `[{ \"method.ema\" = 0.9, \"method.lambda\" = 4 }]`";
            self.report(node.value.clone(), message);
            return Vec::new();
        };
        let condition = |item| self.condition("exclude", item);
        items.iter().map(condition).collect()
    }

    fn variants(
        &mut self,
        written: &AxesTable<'a>,
        points: Vec<Point<'_, 'a>>,
        node: &'a Node,
        below: &Table,
    ) -> Vec<Variant> {
        let conditions = written.axes.iter().filter_map(|axis| axis.when.as_ref());
        for condition in conditions.chain(&written.exclude) {
            self.check_known(condition, below);
        }
        if written.axes.is_empty() {
            return Vec::new();
        }
        let labels = self.labels(written, &points);
        let mut variants = Vec::new();
        for (point, label) in points.iter().zip(labels) {
            variants.push(Variant {
                layers: vec![self.point_layer(&format!("variant {label}"), point, node)],
                line: label.clone(),
                label,
                paper: None,
                recipe: Vec::new(),
                span: node.key.clone(),
            });
        }
        self.give_numbers(&mut variants, written.papers.clone());
        variants
    }

    fn labels(&mut self, written: &AxesTable<'a>, points: &[Point<'_, 'a>]) -> Vec<String> {
        let template = match written.label {
            Some(node) => match &node.tree {
                Tree::Array(items) if items.len() != points.len() => {
                    let (labels, variants) = (items.len(), points.len());
                    let message = format!("`label` has {labels} labels for {variants} variants");
                    self.report(node.value.clone(), message);
                    None
                }
                Tree::Array(items) => {
                    let text = |item| self.text("label", item).unwrap_or_default();
                    return items.iter().map(text).collect();
                }
                _ => self.text("label", node),
            },
            None => None,
        };
        let label = |point| label(template.as_deref(), &written.axes, point);
        points.iter().map(label).collect()
    }
}

/// The label of a point: the template with every `{key.path}` replaced by its value, or else `key=value` for
/// every axis that exists there.
fn label(template: Option<&str>, axes: &[Axis], point: &Point) -> String {
    let Some(template) = template else {
        let short = |path: &str| path.rsplit('.').next().unwrap_or(path).to_string();
        let pairs = point
            .iter()
            .map(|(axis, value)| format!("{}={}", short(&axis.path), written(value)));
        return pairs.collect::<Vec<_>>().join(" ");
    };
    axes.iter().fold(template.to_string(), |label, axis| {
        let found = point.iter().find(|(other, _)| other.path == axis.path);
        let value = found.map_or(ABSENT.to_string(), |(_, value)| written(value));
        label.replace(&format!("{{{}}}", axis.path), &value)
    })
}

/// A value as it stands in a label. A component is written by its name.
fn written(node: &Node) -> String {
    let value = node.plain();
    match value.get("name").unwrap_or(&value) {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::file::ParsedFile;
    use crate::recipe::sweep::parse;

    const BELOW: &str = "n.ema = 0.1\n[m.filter]\nname = 'a'\nt = 1\n[m.loss]\nweight = 1\n";

    fn labels(text: &str) -> Result<Vec<String>, String> {
        let file = ParsedFile::parse("a.toml".as_ref(), text.to_string()).unwrap();
        let below: Table = BELOW.parse().unwrap();
        parse(&file, &below)
            .map(|sweep| {
                sweep
                    .variants
                    .into_iter()
                    .map(|variant| variant.label)
                    .collect()
            })
            .map_err(|problems| {
                let messages: Vec<String> = problems.into_iter().map(|p| p.message).collect();
                messages.join("\n")
            })
    }

    #[test]
    fn a_grid_is_the_product_and_a_zip_goes_in_step() {
        let axes = "'m.filter' = [{ name = 'a', t = 1 }, 'b']\nn.ema = [0.5, 1.0]\n";
        let grid = [
            "filter=a ema=0.5",
            "filter=a ema=1.0",
            "filter=b ema=0.5",
            "filter=b ema=1.0",
        ];
        assert_eq!(labels(&format!("[grid]\n{axes}")).unwrap(), grid);
        let template = "label = '{n.ema} of {m.filter}, {other}'";
        let zip = labels(&format!("[zip]\n{axes}{template}")).unwrap();
        assert_eq!(zip, ["0.5 of a, {other}", "1.0 of b, {other}"]);
        let zip = labels(&format!("[zip]\n{axes}label = ['one', 'two']")).unwrap();
        assert_eq!(zip, ["one", "two"]);
    }

    #[test]
    fn what_is_no_axis_is_reported() {
        for (text, message) in [
            ("[zip]", "expected `\"key.path\" = [values]`, at least one"),
            ("[zip]\na.b = 3", "`a.b`: expected a list of values"),
            ("[grid]\na = []", "`a`: expected a list of values"),
            (
                "[zip]\na = [1, 2]\nb = [1]",
                "`zip`: the lists have different lengths: `b` 1, `a` 2",
            ),
            (
                "[zip]\na = [1, 2]\nlabel = ['x']",
                "`label` has 1 labels for 2 variants",
            ),
            (
                "[grid]\na = [1, 2]\npaper = 3",
                "`paper`: expected a list of the paper's numbers, one for each row",
            ),
            (
                "[grid]\na = [1, 2]\npaper = [3]",
                "`paper` has 1 numbers for 2 variants",
            ),
            (
                "[grid]\na = { values = [1], if = 2 }",
                "unknown key `if`; known: `values`, `when`",
            ),
        ] {
            assert_eq!(labels(text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn an_axis_exists_only_where_its_condition_holds() {
        let sweep = "[grid]\n'm.filter' = [{ name = 'a' }, { name = 'b', u = 2 }]\n\
                     'm.filter.t' = { values = [3, 4], when = { 'm.filter.name' = 'a' } }\n\
                     'n.ema' = { values = [5], when = { 'm.filter.t' = [1.0, 4], 'm.loss.weight' = 1 } }\n";
        let expected = ["filter=a t=3", "filter=a t=4 ema=5", "filter=b"];
        assert_eq!(
            labels(sweep).unwrap(),
            expected,
            "b has no t, so no ema either"
        );
        let labelled = format!("{sweep}label = '{{m.filter}}: {{m.filter.t}}'\n");
        assert_eq!(labels(&labelled).unwrap(), ["a: 3", "a: 4", "b: -"]);
        let zip = sweep
            .replace("[grid]", "[zip]")
            .replace("values = [5]", "values = [5, 6]");
        assert_eq!(labels(&zip).unwrap(), ["filter=a t=3", "filter=b"]);
    }

    #[test]
    fn excluded_points_are_left_out() {
        let sweep = "[grid]\n'n.ema' = [1, 2]\n'm.filter.t' = [1, 2, 3]\n\
                     exclude = [{ 'n.ema' = 1, 'm.filter.t' = [2, 3] }, { 'n.ema' = 2.0, m.filter.t = 1 }]\n";
        assert_eq!(
            labels(sweep).unwrap(),
            ["ema=1 t=1", "ema=2 t=2", "ema=2 t=3"]
        );
    }

    #[test]
    fn a_condition_that_can_never_hold_is_reported() {
        for (axes, message) in [
            (
                "'n.ema' = { values = [1], when = { 'm.filter.t' = 1 } }\n'm.filter.t' = [1]",
                "`m.filter.t` is an axis: write it before this one",
            ),
            (
                "'m.filter.t' = [1, 2]\n'n.ema' = { values = [1], when = { 'm.filter.t' = 3 } }",
                "`m.filter.t` never has this value here; its values are 1, 2",
            ),
            (
                "'n.ema' = { values = [1], when = { 'm.filter.nam' = 'a' } }",
                "no settings here have a key `m.filter.nam`; did you mean `m.filter.name`?",
            ),
            (
                "'n.ema' = [1, 2]\nexclude = [{ 'n.ema' = 0.9 }]",
                "`n.ema` never has this value here; its values are 1, 2",
            ),
            (
                "'n.ema' = [1, 2]\nexclude = [{}]",
                "`exclude`: expected `{ \"key.path\" = value }`, at least one",
            ),
        ] {
            assert_eq!(
                labels(&format!("[grid]\n{axes}")).unwrap_err(),
                message,
                "{axes}"
            );
        }
    }
}
