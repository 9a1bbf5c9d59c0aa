//! The sweep that `harness init` writes.

/// The text of the sweep for a recipe with these thresholds and steps of burn-in: PL-DC without the vision-language
/// model, each of its two other parts taken out, and a training without unlabelled pictures.
pub fn text([class, mask]: [f64; 2], burn_in: usize) -> String {
    let product = (class * mask * 1000.0).round() / 1000.0;
    format!(
        r#"# One table: every [[each]] is a row, a training that differs from the recipe in what `set` says.

question  = "Do the pictures without labels help, and does each part of the method?"
reference = "all on"     # the row that the others are compared with

[[each]]
label = "all on"

# One threshold on class quality x mask quality for all classes, in place of thresholds that adapt to each class (DF-ACAT).
# {product} is the product of the recipe's upper thresholds, {class} x {mask}.
[[each]]
label = "- DF-ACAT"
set."method.filter" = {{ name = "coupled", threshold = {product} }}

# Uncertain pixels of a pseudo-mask weigh as much as the others (without PMUA).
[[each]]
label = "- PMUA"
set."method.weighting" = {{ name = "uniform" }}

# What the pictures with labels give alone. Its first {burn_in} steps are those of the other rows and run once. The average of
# its weights is evaluated, because a teacher is an average too.
[[each]]
label = "labelled only"
set."method"     = {{ name = "supervised", burn-in = {burn_in}, empty-image = "zero-batch" }}
set."eval.model" = "average"
"#
    )
}
