//! The numbers of the snapshots: a table, and the candidates as CSV.

use super::download::text_of;
use super::gallery_content::GalleryPicture;
use super::snapshots_content::{SnapshotPanel, SnapshotRow, SnapshotTier};
use maud::{Markup, html};

/// The numbers of the panels behind a fold.
pub fn counts(row: &SnapshotRow, pictures: &[GalleryPicture]) -> Markup {
    let heads = [
        "step",
        "%",
        "high",
        "medium",
        "low",
        "pseudo-labels",
        "right",
        "changed",
        "put right",
        "broken",
    ];
    html! {
        details {
            summary { "Numbers" }
            div class="wide" tabindex="0" role="region" aria-label=(format!("Numbers of the snapshots of {}", row.label)) {
                table {
                    thead {
                        tr {
                            th scope="col" { "image" }
                            @for head in heads { th scope="col" class="number" { (head) } }
                        }
                    }
                    tbody {
                        @for image in &row.images {
                            @for (moment, panel) in row.moments.iter().zip(&image.panels) {
                                @if let Some(panel) = panel {
                                    tr {
                                        th scope="row" { (pictures[image.picture].id) }
                                        @for cell in cells(*moment, panel, image.is_annotated) {
                                            td class="number" { (cell) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The cells of a panel; those that need annotations are empty without them.
fn cells(
    (step, percent): (usize, usize),
    panel: &SnapshotPanel,
    is_annotated: bool,
) -> [String; 10] {
    let [high, medium, low] = SnapshotTier::ALL.map(|tier| panel.count(tier));
    let of_verdict = |wanted| {
        panel
            .flipped()
            .filter(|one| one.verdict() == wanted)
            .count()
    };
    let judged = |count: usize| match is_annotated {
        true => count.to_string(),
        false => String::new(),
    };
    let right = panel
        .kept()
        .filter(|one| one.right.is_some_and(|[_, is]| is));
    [
        step.to_string(),
        percent.to_string(),
        high.to_string(),
        medium.to_string(),
        low.to_string(),
        panel.kept().count().to_string(),
        judged(right.count()),
        panel.flipped().count().to_string(),
        judged(of_verdict("right")),
        judged(of_verdict("broken")),
    ]
}

/// The candidates as CSV.
pub fn lines(row: &SnapshotRow, pictures: &[GalleryPicture]) -> String {
    let head = [
        "image",
        "step",
        "percent",
        "class",
        "class_quality",
        "mask_quality",
        "tier",
        "corrected",
        "pseudo_label",
        "right",
    ];
    let mut lines = vec![head.map(String::from).to_vec()];
    for image in &row.images {
        for ((step, percent), panel) in row.moments.iter().zip(&image.panels) {
            for one in panel.iter().flat_map(|panel| &panel.candidates) {
                let class = one
                    .corrected
                    .as_ref()
                    .map_or(&one.shape.class, |(class, _)| class);
                lines.push(vec![
                    pictures[image.picture].id.to_string(),
                    step.to_string(),
                    percent.to_string(),
                    one.shape.class.clone(),
                    format!("{:.4}", one.class_quality),
                    format!("{:.4}", one.mask_quality),
                    one.tier.name().to_string(),
                    class.clone(),
                    one.kept.to_string(),
                    one.right.map_or(String::new(), |[_, is]| is.to_string()),
                ]);
            }
        }
    }
    text_of(&lines)
}
