//! Whole steps whose pseudo-labels are the labels, whose weights are 1 and whose views agree: every term of the
//! unlabelled loss is that of the labelled loss.

use super::oracle::{Oracle, truth, twice};
use super::*;

/// A network of a shipped recipe.
struct Network {
    /// Table `[model]`.
    model: toml::Table,
    /// The weight of its outputs without an object.
    negative: f32,
    /// It predicts masks of regions, not of whole images.
    has_regions: bool,
    /// It tells the probability of background in a region.
    judges_background: bool,
    /// The least share of the class loss that outputs without an object have at first. The prior of a CenterMask leaves
    /// them little to learn.
    background: f32,
}

/// Networks of all kinds.
fn networks() -> [Network; 3] {
    let model = |body: &str| {
        let body: toml::Table = body.parse().unwrap();
        body["model"].as_table().unwrap().clone()
    };
    let queries = table("model");
    let no_object = queries["loss"]["no-object"].as_float().unwrap() as f32;
    [
        Network {
            model: queries,
            negative: no_object,
            has_regions: false,
            judges_background: false,
            background: 1e-3,
        },
        Network {
            model: model(include_str!(
                "../../../../recipes/bodies/mask-rcnn-scenes.toml"
            )),
            negative: 1.0,
            has_regions: true,
            judges_background: true,
            background: 1e-3,
        },
        Network {
            model: model(include_str!(
                "../../../../recipes/bodies/centermask-scenes.toml"
            )),
            negative: 1.0,
            has_regions: true,
            judges_background: false,
            background: 5e-6,
        },
    ]
}

/// The report of the first step with a teacher, of a method with the keys `more`.
fn first_step(model: &toml::Table, more: &str) -> (f32, StepReport) {
    let mut method = table_with(0.0);
    method.extend(more.parse::<toml::Table>().unwrap());
    let student = Oracle {
        network: student_of(model.clone()),
        truth: truth(),
        qualities: [1.0, 1.0],
    };
    let mut learner = phase_of(method, None, Box::new(student));
    step(&mut *learner, &twice(), BURN_IN)
}

fn same_terms(report: &StepReport, what: &str) {
    let unsupervised = report.unsupervised.as_ref().unwrap();
    let pairs = report.supervised.terms.iter().zip(&unsupervised.terms);
    assert!(!unsupervised.terms.is_empty());
    for ((name, expected), (other, found)) in pairs {
        assert_eq!(name, other);
        assert!(*expected > 0.0, "{what}: {name} is {expected}");
        let close = (found - expected).abs() <= 1e-5 * expected;
        assert!(
            close,
            "{what}: {name} is {found}, on the labelled images {expected}"
        );
    }
}

#[test]
fn the_terms_of_further_heads_are_those_of_the_labels() {
    let with_choice = networks().into_iter();
    let with_choice = with_choice.filter(|network| network.model.contains_key("mask-head"));
    for Network { mut model, .. } in with_choice {
        model["iou-head"] = "flat".into();
        model["mask-head"] = "noise-tolerant".into();
        for weighting in [
            "name = 'uniform'",
            "name = 'boundary', scale = 3.0, reduction = 'pixel', padding = 'zero', applies-to = 'all'",
        ] {
            let (_, report) = first_step(&model, &format!("weighting = {{ {weighting} }}"));
            assert!(supervised(&report, "iou") > 0.0 && supervised(&report, "mask-coarse") > 0.0);
            same_terms(&report, weighting);
        }
    }
}

#[test]
fn with_any_filter_the_terms_are_those_of_the_labels() {
    for Network { model, .. } in networks() {
        // One table of every rule.
        let name = |table: &String| table.split('\'').nth(1).unwrap().to_string();
        let mut tables = crate::method::filter::tests::tables();
        tables.sort();
        tables.dedup_by_key(|table| name(table));
        for filter in tables {
            let filter = filter.replace('\n', ", ");
            let more = format!("filter = {{ {filter} }}\nweighting = {{ name = 'uniform' }}");
            same_terms(&first_step(&model, &more).1, &filter);
        }
    }
}

#[test]
fn with_any_weighting_of_1_the_terms_are_those_of_the_labels() {
    for Network {
        model,
        negative,
        has_regions,
        ..
    } in networks()
    {
        let align = format!(
            "name = 'dynamic-align', class-scale = 1.0, class-cap = 1.0, class-power = 0.0, negative = {negative:?}, \
             mask-scale = 1.0, mask-power = 4.0"
        );
        for weighting in [
            "name = 'uniform'",
            "name = 'uncertainty', renormalise = false, points = 'importance', divisor = 'masks'",
            "name = 'uncertainty', renormalise = true, points = 'importance', divisor = 'masks'",
            "name = 'gate', mask = 0.9",
            &align,
            "name = 'boundary', scale = 1.0, reduction = 'released', padding = 'zero', applies-to = 'pseudo'",
            "name = 'boundary', scale = 3.0, reduction = 'pixel', padding = 'zero', applies-to = 'all'",
            "name = 'boundary', scale = 3.0, reduction = 'pixel', padding = 'replicate', applies-to = 'all'",
        ] {
            let (_, report) = first_step(&model, &format!("weighting = {{ {weighting} }}"));
            let is_released = weighting.contains("released");
            match is_released && !has_regions {
                // Near the border the weights fade out with the mask.
                true => assert!(unsupervised(&report, "mask") <= supervised(&report, "mask")),
                false => same_terms(&report, weighting),
            }
        }
    }
}

#[test]
fn weights_change_the_terms_that_they_belong_to_and_no_other() {
    let align = |negative: &str| {
        format!(
            "name = 'dynamic-align', class-scale = 1.0, class-cap = 1.0, class-power = 0.0, negative = {negative}, \
             mask-scale = 0.5, mask-power = 4.0"
        )
    };
    for Network {
        model,
        judges_background,
        background,
        ..
    } in networks()
    {
        let negatives = if judges_background {
            &["0.0", "'teacher-background'"][..]
        } else {
            &["0.0"]
        };
        for negative in negatives {
            let (_, report) = first_step(&model, &format!("weighting = {{ {} }}", align(negative)));
            let ratio = |term| unsupervised(&report, term) / supervised(&report, term);
            for (term, _) in &report.supervised.terms {
                let found = ratio(term);
                match *term {
                    "class" => assert!((found - 1.0).abs() > background, "{negative}: {found}"),
                    "mask" | "dice" => assert!((found - 0.5).abs() < 1e-4, "{term}: {found}"),
                    _ => assert!((found - 1.0).abs() < 1e-4, "{term}: {found}"),
                }
            }
        }
        let (_, shut) = first_step(&model, "weighting = { name = 'gate', mask = 1.0 }");
        assert_eq!(unsupervised(&shut, "mask"), 0.0, "1 is not above 1");
        assert!(unsupervised(&shut, "class") > 0.0);
    }
}

fn supervised(report: &StepReport, term: &str) -> f32 {
    of_term(&report.supervised, term)
}

fn unsupervised(report: &StepReport, term: &str) -> f32 {
    of_term(report.unsupervised.as_ref().unwrap(), term)
}

fn of_term(losses: &PartLosses, term: &str) -> f32 {
    let found = losses.terms.iter().find(|(name, _)| *name == term);
    found.expect("the term").1
}

#[test]
fn the_form_of_the_labels_changes_no_term_where_the_forms_agree() {
    for Network { model, .. } in networks() {
        let with = |more: &str| {
            first_step(
                &model,
                &format!("weighting = {{ name = 'uniform' }}\n{more}"),
            )
            .1
        };
        for more in [
            "mask-threshold = 0.44",
            "area = 'probability'",
            "mask-target = 'quarter'",
            "pseudo-box = 'detection'",
        ] {
            same_terms(&with(more), more);
        }
    }
}

#[test]
fn the_weights_of_the_parts_and_of_the_terms_are_those_of_the_recipe() {
    for Network { model, .. } in networks() {
        let with = |more: &str| {
            first_step(
                &model,
                &format!("weighting = {{ name = 'uniform' }}\n{more}"),
            )
        };
        let (loss, report) = with("supervised-weight = 0.5\nlambda = 3.0");
        let total = report.supervised.total;
        assert!(
            (loss - 3.5 * total).abs() < 1e-4 * loss,
            "{loss} of {total}"
        );
        let (loss, report) = with("lambda = { default = 0.0, class = 4.0, mask = 1.0 }");
        let weight = |name: &str| {
            let loss = model["loss"][name].as_float().unwrap();
            let (_, term) = report
                .supervised
                .terms
                .iter()
                .find(|(term, _)| *term == name)
                .unwrap();
            loss as f32 * term
        };
        let expected = report.supervised.total + 4.0 * weight("class") + weight("mask");
        assert!(
            (loss - expected).abs() < 1e-4 * loss,
            "{loss}, not {expected}"
        );
    }
}
