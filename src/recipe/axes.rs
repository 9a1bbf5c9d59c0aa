//! The combinators of a sweep: lists of values to points, as their product (`grid`) or in step (`zip`).

use super::file::{Node, Tree};
use toml::Value;

/// A key path and its values; `values` is none if what is written is not a list.
pub struct Axis<'a> {
    path: String,
    node: &'a Node,
    values: Option<&'a [Node]>,
}

/// A value for every axis, by key path.
pub type Point<'p, 'a> = Vec<(&'p str, &'a Node)>;

/// What is wrong with the axes, and which node it is about; none: all of them.
pub struct Wrong<'a> {
    pub node: Option<&'a Node>,
    pub message: String,
}

/// Adds the axes under `node`. They may be written dotted or nested; each list is one.
pub fn collect<'a>(path: &str, node: &'a Node, axes: &mut Vec<Axis<'a>>) {
    let values = match &node.tree {
        Tree::Table(entries) => {
            for (key, inner) in entries {
                collect(&format!("{path}.{key}"), inner, axes);
            }
            return;
        }
        Tree::Array(values) => Some(values.as_slice()),
        Tree::Leaf(_) => None,
    };
    axes.push(Axis {
        path: path.to_string(),
        node,
        values,
    });
}

/// The points of `axes`: their product, the last axis the fastest, or else in step.
pub fn points<'p, 'a>(
    axes: &'p [Axis<'a>],
    product: bool,
) -> Result<Vec<Point<'p, 'a>>, Wrong<'a>> {
    if axes.is_empty() {
        let message = "expected `\"key.path\" = [values]`, at least one".to_string();
        return Err(Wrong {
            node: None,
            message,
        });
    }
    let mut columns: Vec<(&'p Axis<'a>, &'a [Node])> = Vec::new();
    for axis in axes {
        match axis.values {
            Some(values) if !values.is_empty() => columns.push((axis, values)),
            _ => {
                let message = format!("`{}`: expected a list of values", axis.path);
                return Err(Wrong {
                    node: Some(axis.node),
                    message,
                });
            }
        }
    }
    if product {
        let widen = |points: Vec<Point<'p, 'a>>, (axis, values): (&'p Axis<'a>, &'a [Node])| {
            let extended = |point: &Point<'p, 'a>, value| {
                point
                    .iter()
                    .copied()
                    .chain([(axis.path.as_str(), value)])
                    .collect()
            };
            let all = |point| values.iter().map(move |value| extended(point, value));
            points.iter().flat_map(all).collect()
        };
        return Ok(columns.into_iter().fold(vec![Vec::new()], widen));
    }
    let (first, length) = (columns[0].0, columns[0].1.len());
    if let Some((odd, values)) = columns.iter().find(|(_, values)| values.len() != length) {
        let message = format!(
            "`zip`: `{}` has {} values, `{}` has {length}",
            odd.path,
            values.len(),
            first.path
        );
        return Err(Wrong {
            node: Some(odd.node),
            message,
        });
    }
    let point = |at: usize| {
        columns
            .iter()
            .map(move |(axis, values)| (axis.path.as_str(), &values[at]))
    };
    Ok((0..length).map(|at| point(at).collect()).collect())
}

/// The label of a point: the template with every `{key.path}` filled in, or else `key=value` for every axis.
pub fn label(template: Option<&str>, point: &Point) -> String {
    let Some(template) = template else {
        let short = |path: &str| path.rsplit('.').next().unwrap_or(path).to_string();
        let pairs = point
            .iter()
            .map(|(path, value)| format!("{}={}", short(path), written(value)));
        return pairs.collect::<Vec<_>>().join(" ");
    };
    point
        .iter()
        .fold(template.to_string(), |label, (path, value)| {
            label.replace(&format!("{{{path}}}"), &written(value))
        })
}

/// A value in a label; a component by its name.
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

    fn labels(text: &str, product: bool, template: Option<&str>) -> Result<Vec<String>, String> {
        let file = ParsedFile::parse("a.toml".as_ref(), text.to_string()).unwrap();
        let Tree::Table(entries) = &file.root.tree else {
            panic!("a table")
        };
        let mut axes = Vec::new();
        entries
            .iter()
            .for_each(|(key, node)| collect(key, node, &mut axes));
        let points = points(&axes, product).map_err(|wrong| wrong.message)?;
        Ok(points.iter().map(|point| label(template, point)).collect())
    }

    #[test]
    fn a_grid_is_the_product_and_a_zip_goes_in_step() {
        let text = "'m.filter' = [{ name = 'a', t = 1 }, 'b']\nn.ema = [0.5, 1.0]";
        let grid = labels(text, true, None).unwrap();
        assert_eq!(
            grid,
            [
                "filter=a ema=0.5",
                "filter=a ema=1.0",
                "filter=b ema=0.5",
                "filter=b ema=1.0"
            ]
        );
        let zip = labels(text, false, Some("{n.ema} of {m.filter}, {other}")).unwrap();
        assert_eq!(zip, ["0.5 of a, {other}", "1.0 of b, {other}"]);
    }

    #[test]
    fn what_is_no_axis_is_told() {
        let told = |text: &str| labels(text, false, None).unwrap_err();
        assert_eq!(told(""), "expected `\"key.path\" = [values]`, at least one");
        assert_eq!(told("a.b = 3"), "`a.b`: expected a list of values");
        assert_eq!(told("a = []"), "`a`: expected a list of values");
        assert_eq!(
            told("a = [1, 2]\nb = [1]"),
            "`zip`: `b` has 1 values, `a` has 2"
        );
    }
}
