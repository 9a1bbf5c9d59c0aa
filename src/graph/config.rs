//! The table `[model]` of a recipe: the sizes of the network. `recipes/pl-dc.toml` explains each key and the
//! source of its default.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::graph::backbone::{BackboneConfig, BlockKind, NormKind};
use crate::graph::bounds::{
    DEVIATIONS, HIDDEN_WIDTHS, LAYERS, POINTS, QUERIES, WIDTHS, check_parameters,
};
use crate::graph::input::ChannelOrder;
use crate::registry::{Check, Checked, joined};

/// The sizes of [`crate::graph::Mask2Former`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelConfig {
    /// The number of object queries Q.
    pub queries: usize,
    /// The width D of the pixel decoder and of the transformer decoder.
    pub width: usize,
    /// The channels after the output convolution of the pixel decoder's feature pyramid.
    pub fpn_width: usize,
    /// The channels of the mask features and of the mask embeddings.
    pub mask_width: usize,
    /// The number of attention heads in encoder and decoder.
    pub heads: usize,
    /// The number of groups of the group norms in the pixel decoder.
    pub norm_groups: usize,
    /// The number of deformable attention layers.
    pub encoder_layers: usize,
    /// The number of sampling points per level and head.
    pub encoder_points: usize,
    /// The hidden width of the encoder's feed-forward layers.
    pub encoder_ffn: usize,
    /// The number of masked attention layers; there is one more prediction than layers.
    pub decoder_layers: usize,
    /// The hidden width of the decoder's feed-forward layers.
    pub decoder_ffn: usize,
    /// The mean of the red, green and blue values, 0 to 255.
    pub pixel_mean: [f64; 3],
    /// The standard deviation of the red, green and blue values.
    pub pixel_std: [f64; 3],
    /// The order of the colours in the input of the network.
    pub channel_order: ChannelOrder,
    /// A file or folder with the values of the whole network; see the page Weights of the book. If empty, the
    /// values are random.
    pub weights: PathBuf,
    /// The masks of queries.
    pub mask_head: QueryMaskHead,
    /// The prediction of the IoU of a query's mask with its object.
    pub iou_head: QueryIouHead,
    /// The backbone, a ResNet.
    pub backbone: BackboneConfig,
}

/// The masks of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueryMaskHead {
    /// The products of the queries' embeddings and the mask features.
    Plain,
    /// Coarse masks at half the resolution beside them, with a loss of their own, and masks that are made of both
    /// (after Noisy Boundaries).
    NoiseTolerant,
}

impl QueryMaskHead {
    /// True if there are coarse masks, too.
    pub fn is_coarse_too(self) -> bool {
        self == Self::NoiseTolerant
    }
}

/// The prediction of the IoU of a query's mask with its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum QueryIouHead {
    /// None.
    None,
    /// Two linear layers on the normed queries, for all classes (after PAIS). It changes no score.
    Flat,
}

impl QueryIouHead {
    /// True if there is a head.
    pub fn is_there(self) -> bool {
        self != Self::None
    }
}

impl Checked for ModelConfig {
    fn check(&self, check: &mut Check) {
        let before = check.refusals();
        check.range("queries", self.queries, QUERIES);
        check.range("width", self.width, WIDTHS);
        check.range("fpn-width", self.fpn_width, WIDTHS);
        check.range("mask-width", self.mask_width, WIDTHS);
        check.range("heads", self.heads, WIDTHS);
        check.range("norm-groups", self.norm_groups, WIDTHS);
        check.range("encoder-layers", self.encoder_layers, LAYERS);
        check.range("encoder-points", self.encoder_points, POINTS);
        check.range("encoder-ffn", self.encoder_ffn, HIDDEN_WIDTHS);
        check.range("decoder-layers", self.decoder_layers, LAYERS);
        check.range("decoder-ffn", self.decoder_ffn, HIDDEN_WIDTHS);
        check.divides("width", self.width, 4, "sine and cosine of two axes");
        check.divides("width", self.width, self.heads, "`heads`");
        check.divides("width", self.width, self.norm_groups, "`norm-groups`");
        check.divides(
            "fpn-width",
            self.fpn_width,
            self.norm_groups,
            "`norm-groups`",
        );
        for mean in self.pixel_mean {
            check.range("pixel-mean", mean, ..);
        }
        for deviation in self.pixel_std {
            check.range("pixel-std", deviation, DEVIATIONS);
        }
        if !self.weights.as_os_str().is_empty() && !self.backbone.weights.as_os_str().is_empty() {
            let message = "holds the backbone as well: `backbone.weights` must then be empty";
            check.refuse("weights", message);
        }
        check.within("backbone", |check| self.backbone.check(check));
        if check.refusals() == before {
            check_parameters(check, &self.parts());
        }
    }
}

impl ModelConfig {
    /// The keys in which `other` is a different network, one line each. The source of the values and the
    /// choice of trained parameters do not count, nor does a head that judges masks and changes no prediction.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (mut own, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (config, keys) in [(self, &mut own), (other, &mut others)] {
            let table = toml::Table::try_from(config).expect("sizes are a table");
            flatten("", &toml::Value::Table(table), keys);
        }
        let read = |key: &str| match key {
            "weights" | "pixel-mean" | "pixel-std" | "iou-head" => false,
            "backbone.weights" | "backbone.frozen" => false,
            "backbone.norm-groups" => self.backbone.norm == NormKind::Group,
            "backbone.norm-epsilon" => self.backbone.norm != NormKind::Group,
            "backbone.stride-in-1x1" => self.backbone.block == BlockKind::Bottleneck,
            _ => true,
        };
        own.into_iter()
            .filter(|(key, value)| read(key) && others.get(key) != Some(value))
            .map(|(key, value)| format!("`{key}` is {value}, must be {}", others[&key]))
            .collect()
    }
}

/// The values in `value` by their dotted paths.
fn flatten(path: &str, value: &toml::Value, keys: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                flatten(&joined(path, key), value, keys);
            }
        }
        value => {
            keys.insert(path.to_string(), value.to_string());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::registry;

    /// The table `[model]` of the recipe that holds every default.
    pub(crate) fn table() -> toml::Table {
        let recipe: toml::Table = include_str!("../../recipes/pl-dc.toml")
            .parse()
            .expect("valid TOML");
        let mut table = recipe["model"].as_table().expect("a table").clone();
        // The detector's registry reads this key.
        table.remove("name");
        table.remove("loss");
        table
    }

    /// The default network.
    pub(crate) fn default() -> ModelConfig {
        registry::read(table()).expect("the defaults")
    }

    /// A network small enough for a difference quotient: width 16, 2 heads, 5 queries.
    pub(crate) fn small() -> ModelConfig {
        let mut config = ModelConfig {
            queries: 5,
            width: 16,
            fpn_width: 8,
            mask_width: 8,
            heads: 2,
            norm_groups: 4,
            encoder_ffn: 24,
            decoder_ffn: 24,
            ..default()
        };
        config.backbone.stem.width = 8;
        config.backbone.widths = [8, 8, 16, 16];
        config.backbone.norm_groups = 4;
        config
    }

    #[test]
    fn the_defaults_are_valid() {
        default().checked().unwrap();
        small().checked().unwrap();
    }

    #[test]
    fn every_key_is_required_and_no_other_is_known() {
        for key in table().keys() {
            let mut missing = table();
            missing.remove(key);
            let error = registry::read::<ModelConfig>(missing).expect_err(key);
            assert!(error.iter().all(|one| one.needed().is_some()), "{error}");
            assert!(error[0].key.starts_with(key.as_str()), "{key}: {error}");
        }
        let mut more = table();
        more["backbone"]
            .as_table_mut()
            .unwrap()
            .insert("depht".into(), 3.into());
        let error = registry::read::<ModelConfig>(more).unwrap_err();
        assert!(
            error[0].key.starts_with("backbone") && error[0].message.contains("depht"),
            "{error:?}"
        );
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused_by_key() {
        let refused = |change: fn(&mut ModelConfig)| {
            let mut config = default();
            change(&mut config);
            config.checked().expect_err("refused")[0].key.clone()
        };
        assert_eq!(refused(|c| c.heads = 3), "width");
        assert_eq!(refused(|c| c.width = 66), "width");
        assert_eq!(refused(|c| c.fpn_width = 12), "fpn-width");
        assert_eq!(refused(|c| c.mask_width = 0), "mask-width");
        assert_eq!(refused(|c| c.decoder_layers = 0), "decoder-layers");
        assert_eq!(refused(|c| c.pixel_std[1] = 0.0009), "pixel-std");
        assert_eq!(refused(|c| c.pixel_mean[0] = f64::NAN), "pixel-mean");
        assert_eq!(refused(|c| c.backbone.depths[2] = 0), "backbone.depths");
        let both = |c: &mut ModelConfig| {
            (c.weights, c.backbone.weights) = ("all".into(), "backbone".into());
        };
        assert_eq!(refused(both), "weights");
    }
}
