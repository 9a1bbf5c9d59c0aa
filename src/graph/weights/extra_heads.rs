//! Heads that the networks of other programs do not have.
//!
//! | parameters | head | without it in a file |
//! |---|---|---|
//! | `roi_heads.mask_head.fc_iou_before`, `.fc_iou` | `model.iou-head = "flat"` of a Mask R-CNN | it starts from its first values |
//! | `roi_heads.maskiou_head` | `"scoring"`, or that of a CenterMask, which CenterMask2 may train without it | the same |
//! | `roi_heads.weak` | the weak one of `model.branches = "strong-weak"` | the same |
//! | `roi_heads.auxiliary` | those of `model.auxiliary-heads` of a Mask R-CNN | the same |
//! | `sem_seg_head.predictor.mask_coarse_embed`, `.mask_coarse_fusion` | `model.mask-head = "noise-tolerant"` of a Mask2Former | the masks start as those of the file |
//! | `sem_seg_head.predictor.iou_embed` | `"flat"` of a Mask2Former | the same |
//!
//! A head of which a file has a part is not left out by intention: what is missing is told. Other programs have no use
//! for these heads, so a file for them has none of their parameters; CenterMask2 reads the whole of a CenterMask.

/// The part of a parameter's name that auxiliary heads have and no other part of a Mask R-CNN has.
pub const AUXILIARY: &str = "roi_heads.auxiliary.";

/// The beginnings of the names of each head's parameters.
const HEADS: [&str; 6] = [
    "roi_heads.mask_head.fc_iou",
    "roi_heads.maskiou_head.",
    "roi_heads.weak.",
    AUXILIARY,
    "sem_seg_head.predictor.mask_coarse_",
    "sem_seg_head.predictor.iou_embed.",
];

/// The head that our parameter `ours` belongs to; none if every network of its kind has the parameter.
pub(super) fn head_of(ours: &str) -> Option<&'static str> {
    HEADS.into_iter().find(|head| ours.starts_with(head))
}
