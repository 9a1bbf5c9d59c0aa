//! The table `[model.rules]`: single points in which a network differs from its `semantics`.

use super::semantics::{Rules, Semantics};
use crate::registry::Check;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest number of samples of a bin along a side.
const MOST_SAMPLES: usize = 64;
/// The largest bound of a smooth L1 loss, and the largest side in pixels that may be too small.
const LARGEST: f32 = 1e4;

/// Each key that is given replaces one rule of `semantics`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RulesConfig {
    /// True if regions are shifted by half a pixel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aligned: Option<bool>,
    /// Samples of a bin along a side; 0: as many as pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<usize>,
    /// The implementation whose level a region is read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Semantics>,
    /// True if the anchors around a cell have whole sides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rounded_anchors: Option<bool>,
    /// True if the stride of a level is the size of the input over that of its map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strides_of_maps: Option<bool>,
    /// The implementation by which an object is matched with its best anchor or region, although they overlap little.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub low_quality: Option<Semantics>,
    /// True if the losses of anchors are divided by the number of sampled ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divides_by_sampled: Option<bool>,
    /// The bound of the smooth L1 loss of anchors; 0: L1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor_beta: Option<f32>,
    /// The bound of the smooth L1 loss of regions; 0: L1. Noisy Boundaries: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region_beta: Option<f32>,
    /// True if the sides of decoded rectangles are bounded below, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bounded_below: Option<bool>,
    /// True if proposals are ordered by their probability. Otherwise they are ordered by the logit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub orders_by_probability: Option<bool>,
    /// The smallest side of a proposal in pixels; 0: above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_proposal: Option<f32>,
    /// The smallest side of a detection in pixels; 0: above 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub least_detection: Option<f32>,
    /// True if the target of a mask is 0 or 1. Otherwise it is the covered part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hard_masks: Option<bool>,
    /// The implementation by which masks are pasted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paste: Option<Semantics>,
    /// The implementation by which an evaluation resizes pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resizing: Option<Semantics>,
    /// The implementation whose initial values the pyramid and the heads have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Semantics>,
}

impl RulesConfig {
    /// The rules of `semantics` with the points that are given.
    pub fn over(&self, semantics: Semantics) -> Rules {
        let own = semantics.rules();
        let of = |point: Option<Semantics>| point.unwrap_or(semantics).rules();
        let low_quality = of(self.low_quality);
        Rules {
            aligned: self.aligned.unwrap_or(own.aligned),
            sampling: self.sampling.unwrap_or(own.sampling),
            level: of(self.level).level,
            rounded_anchors: self.rounded_anchors.unwrap_or(own.rounded_anchors),
            strides_of_maps: self.strides_of_maps.unwrap_or(own.strides_of_maps),
            anchors: low_quality.anchors,
            regions: low_quality.regions,
            divides_by_sampled: self.divides_by_sampled.unwrap_or(own.divides_by_sampled),
            anchor_beta: self.anchor_beta.unwrap_or(own.anchor_beta),
            region_beta: self.region_beta.unwrap_or(own.region_beta),
            bounded_below: self.bounded_below.unwrap_or(own.bounded_below),
            orders_by_probability: self
                .orders_by_probability
                .unwrap_or(own.orders_by_probability),
            least_proposal: self.least_proposal.unwrap_or(own.least_proposal),
            least_detection: self.least_detection.unwrap_or(own.least_detection),
            hard_masks: self.hard_masks.unwrap_or(own.hard_masks),
            paste: of(self.paste).paste,
            resizing: of(self.resizing).resizing,
            start: of(self.start).start,
        }
    }

    pub(super) fn check(&self, check: &mut Check) {
        check.range("sampling", self.sampling.unwrap_or(0), 0..=MOST_SAMPLES);
        for (key, value) in [
            ("anchor-beta", self.anchor_beta),
            ("region-beta", self.region_beta),
            ("least-proposal", self.least_proposal),
            ("least-detection", self.least_detection),
        ] {
            check.range(key, value.unwrap_or(0.0), 0.0..=LARGEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use toml::Table;

    fn read(text: &str) -> RulesConfig {
        toml::from_str(text).expect("a valid table")
    }

    #[test]
    fn no_key_changes_nothing() {
        for semantics in Semantics::ALL {
            assert_eq!(RulesConfig::default().over(semantics), semantics.rules());
        }
        assert_eq!(Table::try_from(RulesConfig::default()), Ok(Table::new()));
    }

    /// The rules as text, one a line.
    fn lines(rules: Rules) -> Vec<String> {
        format!("{rules:#?}").lines().map(String::from).collect()
    }

    /// Every point of torchvision in detectron2's rules, alone: a key that nothing reads would change no rule, and a
    /// key that writes another point would change two.
    #[test]
    fn every_key_changes_its_own_point() {
        let keys = [
            ("aligned", "false", 1),
            ("sampling", "2", 1),
            ("level", "'torchvision'", 1),
            ("rounded-anchors", "true", 1),
            ("strides-of-maps", "true", 1),
            ("divides-by-sampled", "true", 1),
            ("anchor-beta", "0.1", 1),
            ("region-beta", "1.0", 1),
            ("bounded-below", "true", 1),
            ("orders-by-probability", "true", 1),
            ("least-proposal", "0.001", 1),
            ("least-detection", "0.01", 1),
            ("hard-masks", "false", 1),
            ("paste", "'torchvision'", 1),
            ("resizing", "'torchvision'", 1),
            ("start", "'torchvision'", 1),
            // It changes two points, of the anchors and of the regions.
            ("low-quality", "'mmdetection'", 0),
        ];
        let own = lines(Semantics::Detectron2.rules());
        for (key, value, changed) in keys {
            let rules = read(&format!("{key} = {value}")).over(Semantics::Detectron2);
            if changed == 0 {
                let other = Semantics::Mmdetection.rules();
                assert_eq!(
                    (rules.anchors, rules.regions),
                    (other.anchors, other.regions)
                );
                continue;
            }
            let found = lines(rules);
            let differ: Vec<_> = own.iter().zip(&found).filter(|(a, b)| a != b).collect();
            assert_eq!(
                (differ.len(), found.len()),
                (changed, own.len()),
                "{key}: {differ:?}"
            );
            let field = format!("    {}: ", key.replace('-', "_"));
            assert!(differ[0].0.starts_with(&field), "{key}: {differ:?}");
        }
        let all = Table::try_from(schemars::schema_for!(RulesConfig).as_value()).expect("a table");
        let listed = all["properties"].as_table().map_or(0, Table::len);
        assert_eq!(keys.len(), listed, "every key of the table is tried");
    }

    #[test]
    fn numbers_have_bounds() {
        let table = read("sampling = 65\nregion-beta = -1.0\nleast-detection = nan");
        let mut check = Check::new();
        table.check(&mut check);
        let errors = check.finish().expect_err("three mistakes");
        let keys: Vec<&str> = errors.iter().map(|error| error.key.as_str()).collect();
        assert_eq!(keys, ["sampling", "region-beta", "least-detection"]);
        let unknown = toml::from_str::<RulesConfig>("level = 'keras'").expect_err("unknown");
        assert!(unknown.to_string().contains("mmdetection"), "{unknown}");
    }
}
