//! Table `[model]` of a recipe: the sizes of the network. What each means and where its default comes from stands in
//! `recipes/pl-dc.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::graph::backbone::{BackboneConfig, BlockKind, NormKind};
use crate::registry::ComponentError;

/// Sizes of [`crate::graph::Mask2Former`].
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelConfig {
    /// Object queries Q.
    pub queries: usize,
    /// Width D of the pixel decoder and of the transformer decoder.
    pub width: usize,
    /// Channels behind the output convolution of the pixel decoder's feature pyramid.
    pub fpn_width: usize,
    /// Channels of the mask features and of the mask embeddings.
    pub mask_width: usize,
    /// Attention heads, in encoder and decoder.
    pub heads: usize,
    /// Groups of the group norms in the pixel decoder.
    pub norm_groups: usize,
    /// Deformable attention layers.
    pub encoder_layers: usize,
    /// Sampling points per level and head.
    pub encoder_points: usize,
    /// Hidden width of the encoder's feed-forward layers.
    pub encoder_ffn: usize,
    /// Masked attention layers; there is one prediction more than layers.
    pub decoder_layers: usize,
    /// Hidden width of the decoder's feed-forward layers.
    pub decoder_ffn: usize,
    /// Mean of the red, green and blue values, 0 to 255.
    pub pixel_mean: [f64; 3],
    /// Standard deviation of the red, green and blue values.
    pub pixel_std: [f64; 3],
    /// A file or folder with values for the whole network ([`crate::graph::weights`]); empty: random values.
    pub weights: PathBuf,
    /// Table `[model.backbone]`.
    pub backbone: BackboneConfig,
}

impl ModelConfig {
    /// Whether the sizes fit each other.
    ///
    /// # Errors
    /// The first key that does not: what was found and what is allowed.
    pub fn check(&self) -> Result<(), ComponentError> {
        for (key, value) in [
            ("queries", self.queries),
            ("width", self.width),
            ("fpn-width", self.fpn_width),
            ("mask-width", self.mask_width),
            ("heads", self.heads),
            ("norm-groups", self.norm_groups),
            ("encoder-layers", self.encoder_layers),
            ("encoder-points", self.encoder_points),
            ("encoder-ffn", self.encoder_ffn),
            ("decoder-layers", self.decoder_layers),
            ("decoder-ffn", self.decoder_ffn),
        ] {
            positive(key, value)?;
        }
        divides("width", self.width, 4, "4 (sine and cosine of two axes)")?;
        divides("width", self.width, self.heads, "`heads`")?;
        divides("width", self.width, self.norm_groups, "`norm-groups`")?;
        divides(
            "fpn-width",
            self.fpn_width,
            self.norm_groups,
            "`norm-groups`",
        )?;
        if let Some(mean) = self.pixel_mean.iter().find(|mean| !mean.is_finite()) {
            return Err(ComponentError::new(
                "pixel-mean",
                format!("{mean} is not a finite number"),
            ));
        }
        if let Some(deviation) = self
            .pixel_std
            .iter()
            .find(|std| !(**std > 0.0 && std.is_finite()))
        {
            return Err(ComponentError::new(
                "pixel-std",
                format!("{deviation} is not above 0"),
            ));
        }
        if !self.weights.as_os_str().is_empty() && !self.backbone.weights.as_os_str().is_empty() {
            return Err(ComponentError::new(
                "weights",
                "holds the backbone as well: `backbone.weights` must then be empty",
            ));
        }
        self.backbone
            .check()
            .map_err(|error| ComponentError::new(format!("backbone.{}", error.key), error.message))
    }
}

impl ModelConfig {
    /// The keys in which `other` is another network, one line each; where values come from and whether they are trained is no
    /// difference.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (mut own, mut others) = (BTreeMap::new(), BTreeMap::new());
        for (config, keys) in [(self, &mut own), (other, &mut others)] {
            let table = toml::Table::try_from(config).expect("sizes are a table");
            flatten("", &toml::Value::Table(table), keys);
        }
        let read = |key: &str| match key {
            "weights" | "pixel-mean" | "pixel-std" => false,
            "backbone.weights" | "backbone.frozen" => false,
            "backbone.norm-groups" => self.backbone.norm == NormKind::Group,
            "backbone.stride-in-1x1" => self.backbone.block == BlockKind::Bottleneck,
            _ => true,
        };
        own.into_iter()
            .filter(|(key, value)| read(key) && others.get(key) != Some(value))
            .map(|(key, value)| format!("`{key}` is {value}, must be {}", others[&key]))
            .collect()
    }
}

/// The values of `value` by their dotted paths.
fn flatten(path: &str, value: &toml::Value, keys: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{key}"), value, keys);
            }
        }
        value => {
            keys.insert(path.to_string(), value.to_string());
        }
    }
}

/// Refuses 0.
pub(super) fn positive(key: &str, value: usize) -> Result<(), ComponentError> {
    if value == 0 {
        Err(ComponentError::new(key, "found 0, must be at least 1"))
    } else {
        Ok(())
    }
}

/// Refuses a `value` that `divisor` (called `name`) does not divide.
pub(super) fn divides(
    key: &str,
    value: usize,
    divisor: usize,
    name: &str,
) -> Result<(), ComponentError> {
    if value.is_multiple_of(divisor) {
        return Ok(());
    }
    let found = if name.starts_with('`') {
        format!(" = {divisor}")
    } else {
        String::new()
    };
    Err(ComponentError::new(
        key,
        format!("found {value}, must be a multiple of {name}{found}"),
    ))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::registry;

    /// Table `[model]` of the recipe that holds every default.
    pub(crate) fn table() -> toml::Table {
        let recipe: toml::Table = include_str!("../../recipes/pl-dc.toml")
            .parse()
            .expect("valid TOML");
        let mut table = recipe["model"].as_table().expect("a table").clone();
        // What its detector reads.
        table.remove("name");
        table.remove("loss");
        table
    }

    /// The default network.
    pub(crate) fn default() -> ModelConfig {
        registry::options(table()).expect("the defaults")
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
        default().check().unwrap();
        small().check().unwrap();
    }

    #[test]
    fn every_key_is_required_and_no_other_is_known() {
        for key in table().keys() {
            let mut missing = table();
            missing.remove(key);
            let error = registry::options::<ModelConfig>(missing).expect_err(key);
            assert!(error[0].message.contains(key.as_str()), "{key}: {error}");
        }
        let mut more = table();
        more["backbone"]
            .as_table_mut()
            .unwrap()
            .insert("depht".into(), 3.into());
        let error = registry::options::<ModelConfig>(more).unwrap_err();
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
            config.check().expect_err("refused").key
        };
        assert_eq!(refused(|c| c.heads = 3), "width");
        assert_eq!(refused(|c| c.width = 66), "width");
        assert_eq!(refused(|c| c.fpn_width = 12), "fpn-width");
        assert_eq!(refused(|c| c.mask_width = 0), "mask-width");
        assert_eq!(refused(|c| c.decoder_layers = 0), "decoder-layers");
        assert_eq!(refused(|c| c.pixel_std[1] = 0.0), "pixel-std");
        assert_eq!(refused(|c| c.pixel_mean[0] = f64::NAN), "pixel-mean");
        assert_eq!(refused(|c| c.backbone.depths[2] = 0), "backbone.depths");
        let both = |c: &mut ModelConfig| {
            (c.weights, c.backbone.weights) = ("all".into(), "backbone".into());
        };
        assert_eq!(refused(both), "weights");
    }
}
