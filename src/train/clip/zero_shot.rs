//! The share of objects that a vision-language model classifies correctly without having seen their pictures.
//! It measures the model's quality.

use crate::data::Sample;
use crate::detector::quality::arg_max;
use crate::graph::clip::{VisionLanguage, coverage};
use crate::method::correction::fusion::{aggregate_logits, similarities};
use crate::ops;
use crate::structures::InstanceSource;
use crate::tensor::Tape;
use std::sync::Arc;

/// The fraction of the annotated objects of `samples` whose class the model finds under their true mask: eq.
/// 8 on the logits, then the arg-max of eq. 9. 0 without an object.
pub fn zero_shot_accuracy(model: &dyn VisionLanguage, samples: &[Sample]) -> f64 {
    let (mut right, mut all) = (0, 0);
    let (text, scale, tape) = (model.text(), model.logit_scale(), &mut Tape::off());
    for sample in samples {
        let features = model.dense(&sample.picture);
        let annotated = |source| source == InstanceSource::Annotation;
        for object in sample
            .instances
            .iter()
            .filter(|object| annotated(object.source))
        {
            let size = (object.mask.height, object.mask.width);
            let grid = (features.height, features.width);
            let shares = coverage(&object.mask, size, grid);
            let pooled = ops::mask_pool(tape, &features, &[0], Arc::new(shares));
            let region = ops::normalize_rows(tape, &model.embed(&pooled));
            let logits = similarities(region.values(), text.values.values(), scale);
            let best = arg_max(&aggregate_logits(&logits, text.descriptions));
            right += usize::from(best == object.class);
            all += 1;
        }
    }
    right as f64 / f64::from(all.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::clip::TextEmbeddings;
    use crate::structures::{Instance, Mask, Picture};
    use crate::tensor::{Map, Tensor2};

    /// Sees the first two colours of a picture.
    struct Colours(TextEmbeddings);

    impl VisionLanguage for Colours {
        fn dense(&self, picture: &Picture) -> Map {
            let values = picture
                .pixels
                .chunks_exact(3)
                .flat_map(|p| [f32::from(p[0]), f32::from(p[1])]);
            let pixels = picture.height * picture.width;
            Map::new(
                Tensor2::constant(values.collect(), pixels, 2),
                1,
                picture.height,
                picture.width,
            )
        }
        fn embed(&self, pooled: &Tensor2) -> Tensor2 {
            pooled.clone()
        }
        fn text(&self) -> &TextEmbeddings {
            &self.0
        }
        fn logit_scale(&self) -> f32 {
            10.0
        }
    }

    #[test]
    fn objects_are_counted_by_what_lies_under_their_masks() {
        let values = Tensor2::constant(vec![1.0, 0.0, 0.0, 1.0], 2, 2);
        let model = Colours(TextEmbeddings {
            classes: 2,
            descriptions: 1,
            values,
        });
        let picture = Picture::new(1, 2, vec![200, 0, 0, 0, 200, 0]);
        let object = |class, bits: [u8; 2], source| {
            let mask = Mask::new(1, 2, bits.to_vec());
            Instance {
                class,
                mask,
                source,
            }
        };
        let instances = vec![
            object(0, [1, 0], InstanceSource::Annotation),
            object(1, [0, 1], InstanceSource::Annotation),
            object(0, [0, 1], InstanceSource::Annotation),
            object(0, [0, 1], InstanceSource::Crowd),
        ];
        let sample = Sample {
            image_id: 1,
            picture,
            instances,
        };
        assert!((zero_shot_accuracy(&model, &[sample]) - 2.0 / 3.0).abs() < 1e-9);
    }
}
