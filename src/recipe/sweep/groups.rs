//! A reference for each group of rows: `reference = { "method.filter" = { name = "coupled" } }`.
//!
//! The condition frees its keys; naming a component (`name`) frees all keys of that component. Rows whose other
//! settings are equal are a group. The one row of a group whose settings fulfil the condition is its reference. A
//! grid over filters and label fractions is thus compared within each fraction.

use crate::metrics::RowGroup;
use crate::recipe::hash::canonical;
use crate::recipe::overlay::{paths, remove, value_at};
use crate::recipe::suggest;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use toml::Table;

/// The condition that the reference row of each group fulfils.
#[derive(Clone, Debug)]
pub struct GroupRule {
    /// The keys, and for each the values that it may have, in canonical text.
    wanted: Vec<(String, Vec<String>)>,
    /// Its place in the file, in bytes.
    pub span: Range<usize>,
}

/// A row: its label, and its settings before any are left out that its trials do not read.
pub struct Row<'a> {
    pub label: &'a str,
    pub settings: Table,
}

impl GroupRule {
    /// The rule that the keys `wanted` have one of their values, each in canonical text.
    pub fn new(wanted: Vec<(String, Vec<String>)>, span: Range<usize>) -> Self {
        Self { wanted, span }
    }

    /// The group of every row, in the order of the rows.
    ///
    /// # Errors
    /// A group has no row or more than one that fulfils the condition.
    pub fn groups(&self, rows: &[Row]) -> Result<Vec<RowGroup>, String> {
        self.check_known(rows)?;
        let rest: Vec<Table> = rows.iter().map(|row| self.rest(&row.settings)).collect();
        let mut members: Vec<(String, Vec<usize>)> = Vec::new();
        for (index, rest) in rest.iter().enumerate() {
            let key = canonical(&toml::Value::Table(rest.clone()));
            match members.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => rows.push(index),
                None => members.push((key, vec![index])),
            }
        }
        let firsts: Vec<&Table> = members.iter().map(|(_, rows)| &rest[rows[0]]).collect();
        let titles = titles(&firsts);
        let mut found: Vec<RowGroup> = vec![RowGroup::default(); rows.len()];
        for ((_, members), title) in members.iter().zip(titles) {
            let reference = self.reference(rows, members, &title)?;
            for &member in members {
                found[member] = RowGroup {
                    title: title.clone(),
                    reference: rows[reference].label.to_string(),
                };
            }
        }
        Ok(found)
    }

    /// The one of the rows `members` that fulfils the condition.
    fn reference(&self, rows: &[Row], members: &[usize], title: &str) -> Result<usize, String> {
        let holds = |row: &usize| self.holds(&rows[*row].settings);
        let matching: Vec<usize> = members.iter().copied().filter(holds).collect();
        let labels = |rows_of: &[usize]| {
            let labels = rows_of.iter().map(|row| format!("`{}`", rows[*row].label));
            labels.collect::<Vec<_>>().join(", ")
        };
        let place = match title {
            "" => "the rows".to_string(),
            title => format!("the rows with {title}"),
        };
        match matching[..] {
            [one] => Ok(one),
            [] => Err(format!(
                "`reference`: none of {place} has {} (they are {}); each group of rows that are equal in all other keys \
                 needs exactly one",
                self.text(),
                labels(members)
            )),
            [one, other, ..] => {
                let differing = differing(&[&rows[one].settings, &rows[other].settings]);
                let keys: Vec<String> = differing.iter().map(|key| format!("`{key}`")).collect();
                let advice = match keys.is_empty() {
                    true => "their settings are the same".to_string(),
                    false => format!("name a value of {} too", keys.join(" or ")),
                };
                let labels = labels(&matching);
                Err(format!(
                    "`reference`: several of {place} have {}: {labels}; {advice}",
                    self.text()
                ))
            }
        }
    }

    fn holds(&self, settings: &Table) -> bool {
        self.wanted.iter().all(|(path, values)| {
            value_at(settings, path).is_some_and(|value| values.contains(&canonical(value)))
        })
    }

    /// The condition as text.
    fn text(&self) -> String {
        let wanted = self.wanted.iter();
        let parts: Vec<String> = wanted
            .map(|(path, values)| format!("`{path}` = {}", values[0]))
            .collect();
        parts.join(" and ")
    }

    /// Refuses a key that no row has.
    fn check_known(&self, rows: &[Row]) -> Result<(), String> {
        for (path, _) in &self.wanted {
            if rows
                .iter()
                .any(|row| value_at(&row.settings, path).is_some())
            {
                continue;
            }
            let known: BTreeSet<String> =
                rows.iter().flat_map(|row| paths(&row.settings)).collect();
            let near = suggest::nearest(path, known.iter().map(String::as_str));
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(format!("`reference`: no row has a key `{path}`{hint}"));
        }
        Ok(())
    }

    /// The settings without the keys that the condition frees.
    fn rest(&self, settings: &Table) -> Table {
        let mut rest = settings.clone();
        for (path, _) in &self.wanted {
            let freed = match path.rsplit_once('.') {
                Some((component, "name")) => component,
                _ => path,
            };
            let path: Vec<String> = freed.split('.').map(str::to_string).collect();
            remove(&mut rest, &path);
        }
        rest
    }
}

/// The values without tables in them, by their paths, in canonical text.
fn leaves(settings: &Table) -> BTreeMap<String, String> {
    let value = |path: &String| value_at(settings, path).expect("listed");
    let leaves = paths(settings)
        .into_iter()
        .filter(|path| !value(path).is_table());
    leaves
        .map(|path| (path.clone(), canonical(value(&path))))
        .collect()
}

/// The keys whose values differ between `settings`. Where a component differs in its name, its other keys are left
/// out.
fn differing(settings: &[&Table]) -> Vec<String> {
    let all: Vec<BTreeMap<String, String>> = settings.iter().map(|one| leaves(one)).collect();
    let keys: BTreeSet<&String> = all.iter().flat_map(BTreeMap::keys).collect();
    let differs = |key: &&String| all.iter().any(|one| one.get(*key) != all[0].get(*key));
    let keys: Vec<&String> = keys.into_iter().filter(differs).collect();
    let named = |key: &str| {
        let components = keys.iter().filter_map(|key| key.strip_suffix("name"));
        let mut components = components.filter(|component| component.ends_with('.'));
        components.any(|component| key.starts_with(component) && key != format!("{component}name"))
    };
    let keys = keys.iter().filter(|key| !named(key));
    keys.map(|key| key.to_string()).collect()
}

/// A title for each of the groups: the values that tell it from the others, like `data.labelled = 0.1`. The title of
/// a single group is empty.
fn titles(groups: &[&Table]) -> Vec<String> {
    let keys = differing(groups);
    let title = |(index, group): (usize, &&Table)| {
        let values = keys.iter().filter_map(|key| {
            let value = value_at(group, key)?;
            Some(format!("{key} = {value}"))
        });
        let title = values.collect::<Vec<_>>().join(", ");
        match title.is_empty() && groups.len() > 1 {
            true => format!("group {}", index + 1),
            false => title,
        }
    };
    let mut titles: Vec<String> = groups.iter().enumerate().map(title).collect();
    // Components of one name may differ in a key that is left out above.
    let mut seen = BTreeSet::new();
    for (index, title) in titles.iter_mut().enumerate() {
        if !seen.insert(title.clone()) {
            *title = format!("{title} (group {})", index + 1);
        }
    }
    titles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::file::ParsedFile;
    use crate::recipe::overlay::lay;
    use crate::recipe::sweep::{Reference, parse};
    use proptest::prelude::*;

    const BELOW: &str =
        "[m]\nweight = 1\n[m.filter]\nname = 'coupled'\nt = 0.7\n[data]\nlabelled = 0.1\n";

    /// Title and reference of every row of the sweep `text`, or the message.
    fn grouped(text: &str) -> Result<Vec<(String, String, String)>, String> {
        let file = ParsedFile::parse("a.toml".as_ref(), text.to_string()).unwrap();
        let below: Table = BELOW.parse().unwrap();
        let sweep = parse(&file, &below).map_err(|problems| problems[0].to_string())?;
        let rows: Vec<Row> = sweep
            .variants
            .iter()
            .map(|variant| {
                let mut settings = below.clone();
                for layer in &variant.layers {
                    lay(&mut settings, &layer.table);
                }
                let label = variant.label.as_str();
                Row { label, settings }
            })
            .collect();
        let Some(Reference::PerGroup(rule)) = &sweep.reference else {
            panic!("a rule: {:?}", sweep.reference);
        };
        let groups = rule.groups(&rows)?;
        let named = rows.iter().zip(groups);
        Ok(named
            .map(|(row, group)| (row.label.to_string(), group.title, group.reference))
            .collect())
    }

    const RULE: &str = "question = '?'\nreference = { 'm.filter' = { name = 'coupled' } }\n";

    #[test]
    fn a_grid_is_compared_within_each_value_of_the_other_axes() {
        let found = grouped(&format!(
            "{RULE}[grid]\n'm.filter' = [{{ name = 'coupled', t = 0.7 }}, {{ name = 'rich', margin = 1 }}]\n\
             'data.labelled' = [0.01, 0.1]\nlabel = ['c1', 'c10', 'r1', 'r10']\n"
        ))
        .unwrap();
        let of = |label: &str, title: &str, reference: &str| {
            (label.to_string(), title.to_string(), reference.to_string())
        };
        assert_eq!(
            found,
            [
                of("c1", "data.labelled = 0.01", "c1"),
                of("c10", "data.labelled = 0.1", "c10"),
                of("r1", "data.labelled = 0.01", "c1"),
                of("r10", "data.labelled = 0.1", "c10"),
            ]
        );
    }

    #[test]
    fn a_single_group_has_no_title() {
        let found = grouped(&format!(
            "{RULE}[grid]\n'm.filter' = [{{ name = 'coupled', t = 0.7 }}, {{ name = 'rich', margin = 1 }}]\nlabel = ['c', 'r']\n"
        ));
        let found = found.unwrap();
        assert!(
            found
                .iter()
                .all(|(_, title, one)| title.is_empty() && one == "c")
        );
    }

    #[test]
    fn a_group_without_or_with_two_references_is_refused() {
        for (rows, parts) in [
            (
                "[grid]\n'm.filter.t' = [0.7, 0.8]\nlabel = ['a', 'b']\n",
                &[
                    "several of the rows have",
                    "`m.filter.name` = \"coupled\"",
                    "`a`, `b`",
                    "`m.filter.t` too",
                ][..],
            ),
            (
                "[[each]]\nlabel = 'a'\n[[each]]\nlabel = 'b'\nset.'m.filter' = { name = 'rich' }\nset.'m.weight' = 0\n",
                &["none of the rows with m.weight = 0", "`b`", "exactly one"],
            ),
        ] {
            let message = grouped(&format!("{RULE}{rows}")).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "`{part}` is not in: {message}");
            }
        }
        let unknown =
            "question = '?'\nreference = { 'm.filer.name' = 'coupled' }\n[[each]]\nlabel = 'a'\n";
        let message = grouped(unknown).unwrap_err();
        assert!(
            message.contains("did you mean `m.filter.name`"),
            "{message}"
        );
    }

    proptest! {
        /// Every row of a full grid is compared with the row of its own group, and groups differ in their titles.
        #[test]
        fn references_are_of_the_own_group(filters in 2usize..4, weights in 1usize..4, shares in 1usize..4) {
            let names = ["coupled", "rich", "plain"];
            let names = &names[..filters];
            let numbers = |count: usize| (1..=count).map(|i| format!("0.{i}")).collect::<Vec<_>>();
            let (weights, shares) = (numbers(weights), numbers(shares));
            let mut labels = Vec::new();
            for name in names {
                for weight in &weights {
                    labels.extend(shares.iter().map(|share| format!("'{name}/{weight}/{share}'")));
                }
            }
            let tables: Vec<String> = names.iter().map(|name| format!("{{ name = '{name}' }}")).collect();
            let text = format!(
                "{RULE}[grid]\n'm.filter' = [{}]\n'm.weight' = [{}]\n'data.labelled' = [{}]\nlabel = [{}]\n",
                tables.join(", "), weights.join(", "), shares.join(", "), labels.join(", ")
            );
            let found = grouped(&text).unwrap();
            let mut titles = BTreeSet::new();
            for (label, title, reference) in &found {
                let own = label.split_once('/').unwrap().1;
                prop_assert_eq!(reference, &format!("coupled/{}", own));
                titles.insert(title);
            }
            prop_assert_eq!(titles.len(), weights.len() * shares.len());
        }
    }
}
