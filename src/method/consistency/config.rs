//! Table `[method]` with `name = "consistency"`: its keys and its one phase.

use super::learner::ConsistencyLearner;
use super::{AppliesTo, CONSISTENCIES, Consistency};
use crate::detector::{DetectorConfig, EmptyImage};
use crate::method::Method;
use crate::method::lambda::{self, Lambda};
use crate::method::phase::{Build, MethodKeys, Passes, Phase, Start};
use crate::registry::{self, Check, ComponentErrors};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use toml::Table;

/// The keys as a recipe spells them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Keys {
    /// The rule that compares what the network says of regions.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    consistency: Table,
    /// Weight of the consistency loss at the top of the ramp, or a table of weights by term of the loss; `default` is
    /// that of all others, or 1.
    lambda: Lambda,
    /// The class loss of labelled images without an object.
    empty_image: EmptyImage,
}

/// The table, its slot made.
#[derive(Clone, Debug)]
struct Config {
    rule: Arc<dyn Consistency>,
    lambda: Lambda,
    empty_image: EmptyImage,
}

pub(in crate::method) fn build(table: Table) -> Result<Box<dyn Method>, ComponentErrors> {
    registry::make(table, |keys: Keys, check| {
        keys.lambda.check(check);
        let rule = registry::build(CONSISTENCIES, keys.consistency);
        let rule = check.keep("consistency", rule)?;
        check_terms(&keys.lambda, rule.terms(), check);
        Some(Box::new(Config {
            rule: rule.into(),
            lambda: keys.lambda,
            empty_image: keys.empty_image,
        }) as Box<dyn Method>)
    })
}

/// Refuses weights of terms that the rule does not have; 0 is no weight.
fn check_terms(lambda: &Lambda, known: &[&str], check: &mut Check) {
    for (term, weight) in lambda.named() {
        let allowed = format!(
            "0, because this consistency has no such term, only {}",
            known.join(", ")
        );
        let holds = weight == 0.0 || known.contains(&term);
        check.require(holds, &format!("lambda.{term}"), weight, allowed);
    }
}

impl Method for Config {
    fn takes_pieces(&self) -> bool {
        true
    }

    fn takes_replicas(&self) -> bool {
        false
    }

    fn phases(&self, steps: usize) -> Vec<Phase> {
        let config = self.clone();
        let views = 1 + usize::from(self.rule.mirrors());
        let phase = Phase {
            name: "train",
            steps: 0..steps,
            curve: steps,
            start: Start::Fresh,
            passes: Passes {
                labelled: match self.rule.applies_to() {
                    AppliesTo::All => views,
                    AppliesTo::Unlabelled => 1,
                },
                unlabelled: views,
            },
            labels: false,
            average: true,
            goes_on: false,
            shared: false,
            alone: false,
            reads: MethodKeys::AllBut(Vec::new()),
            build: Build::Learner(Box::new(move |parts| {
                let (rule, lambda) = (Arc::clone(&config.rule), config.lambda.clone());
                let empty_image = config.empty_image;
                Box::new(ConsistencyLearner::new(
                    rule,
                    lambda,
                    empty_image,
                    steps,
                    parts,
                ))
            })),
        };
        vec![phase]
    }

    fn reads_unlabelled(&self) -> bool {
        true
    }

    fn check_detector(&self, detector: &dyn DetectorConfig, check: &mut Check) {
        match detector.auxiliary_heads() {
            Some(heads) => self.rule.check_auxiliary_heads(heads, check),
            None => check.refuse(
                "method.name",
                "`consistency` compares what heads say of regions of a picture, and the network of `model.name` has no \
                 such heads; allowed: a network that looks at regions",
            ),
        }
    }

    fn normalise(&self, table: &mut Table) {
        lambda::normalise(table);
    }
}
