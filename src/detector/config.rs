//! The description of a detector in a recipe, and the demands of a method on a detector.

use super::{
    AreaMeasure, CandidateChoice, Detector, MaskLoss, MaskQuality, MaskTarget, Merge, Negative,
    PseudoBox,
};
use crate::graph::{BackboneConfig, Operations};
use crate::registry::Check;
use crate::rng::Stream;
use anyhow::{Result, bail};
use std::fmt::Debug;
use std::path::Path;

/// Table `[model]` of a recipe, read and checked: the network with its loss.
pub trait DetectorConfig: Debug + Send + Sync {
    /// A detector for `classes` object classes. Its values are drawn from `rng`, or read from [`Self::weights`] or
    /// [`Self::backbone_weights`].
    ///
    /// # Errors
    /// Weights that are missing or do not fit.
    fn build(&self, classes: usize, rng: &mut Stream) -> Result<Box<dyn Detector>>;

    /// The network without its loss, as text. Weights that fit one network fit every network with the same text.
    fn network(&self) -> String;

    /// The file or folder with values for the whole network; empty: none.
    fn weights(&self) -> &Path;

    /// The keys of its backbone.
    fn backbone(&self) -> &BackboneConfig;

    /// The file with values for the backbone alone; empty: none.
    fn backbone_weights(&self) -> &Path {
        &self.backbone().weights
    }

    /// The floating-point operations for one picture of `height` x `width`. They tell how long a training takes.
    fn operations(&self, height: usize, width: usize) -> Operations;

    /// The number of pixels of which the sides of the network's input are multiples. Other sizes are padded.
    fn stride(&self) -> usize {
        self.backbone().coarsest_stride()
    }

    /// The files of `network`, which is one of [`Self::build`], under the names of another program: `names`, or the
    /// first program that knows this network. `labels` are those of its classes.
    ///
    /// # Errors
    /// The program does not know this network, or has no key for a value of `[model]`.
    fn export(
        &self,
        names: Option<&str>,
        network: &mut dyn Detector,
        labels: Vec<String>,
    ) -> Result<Vec<ExportedFile>>;

    /// The names of the terms of its loss: those of [`super::Losses::terms`].
    fn terms(&self) -> Vec<&'static str>;

    /// The keys of `[method]` that have no use for this detector: their values never make another trial. The default is
    /// none.
    fn unread(&self) -> &'static [&'static str] {
        &[]
    }

    /// The rules by which it merges detections from several views.
    fn merges(&self) -> &'static [Merge] {
        &[Merge::UnionNms]
    }

    /// The number of its auxiliary heads for regions; none of a detector that does not look at regions.
    fn auxiliary_heads(&self) -> Option<usize> {
        None
    }

    /// Returns true if the losses of its network can be computed for some images of a batch at a time
    /// ([`Output::begin_piece`](super::Output::begin_piece)).
    fn takes_pieces(&self) -> bool {
        false
    }

    /// Returns true if the parts of several replicas have the losses that its reference computes on as many machines.
    /// The default: where it takes pieces.
    fn takes_replicas(&self) -> bool {
        self.takes_pieces()
    }

    /// Refuses the keys of `[method]` whose values have no meaning for this detector. The default refuses none.
    fn check_demands(&self, _demands: &Demands, _check: &mut Check) {}
}

/// A file for another program. The one that makes a folder complete is the last in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedFile {
    /// Its name.
    pub name: &'static str,
    /// Its content.
    pub content: Vec<u8>,
}

/// The one of the `known` programs that is called `asked`, or the first.
///
/// # Errors
/// There is none with this name.
pub(super) fn chosen<'n>(asked: Option<&'n str>, known: &[&'n str]) -> Result<&'n str> {
    match asked {
        None => Ok(known[0]),
        Some(name) if known.contains(&name) => Ok(name),
        Some(name) => bail!(
            "`{name}` is no program with names for this network; allowed: {}",
            known.join(", ")
        ),
    }
}

/// The demands of a method with a teacher on a detector.
#[derive(Clone, Debug)]
pub struct Demands {
    /// Keys `score`, `candidates`, `top-pairs` and `mask-quality`.
    pub choice: CandidateChoice,
    /// Keys of the slot `weighting`.
    pub mask_loss: MaskLoss,
    /// Key `negative` of the slot `weighting`.
    pub negative: Negative,
    /// Key `area`.
    pub area: AreaMeasure,
    /// Key `mask-target`.
    pub mask_target: MaskTarget,
    /// Key `pseudo-box`.
    pub pseudo_box: PseudoBox,
    /// The terms that the table `lambda` names, with their weights.
    pub lambda: Vec<(&'static str, f32)>,
}

impl Demands {
    /// Refuses a mask quality that the network does not predict. `kinds`: the IoU heads that it may have.
    pub fn check_quality(&self, has_head: bool, kinds: &str, check: &mut Check) {
        if self.choice.quality == MaskQuality::IouHead && !has_head {
            let message = format!(
                "\"iou-head\" needs a network that predicts the IoU of its masks: `model.iou-head` = {kinds}; \
                 allowed without: \"mean-foreground\""
            );
            check.refuse("mask-quality", message);
        }
    }

    /// Refuses weights of terms that a loss with the terms `known` does not have; 0 is no weight.
    pub fn check_terms(&self, known: &[&str], check: &mut Check) {
        for (term, weight) in &self.lambda {
            let allowed = format!(
                "0, because the loss of this network has no such term, only {}",
                known.join(", ")
            );
            let holds = *weight == 0.0 || known.contains(term);
            check.require(holds, &format!("lambda.{term}"), weight, allowed);
        }
    }
}
