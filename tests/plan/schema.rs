//! Tests the JSON Schemas: every shipped file is valid, and mistakes are not.

use harness::experiment::schema;
use jsonschema::Validator;
use serde_json::Value;

fn validator(sweep: bool) -> Validator {
    let schema: Value = serde_json::from_str(&schema(sweep)).unwrap();
    assert!(jsonschema::draft202012::meta::is_valid(&schema));
    jsonschema::draft202012::new(&schema).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap()
}

#[test]
fn the_shipped_files_fit() {
    for (folder, sweep) in [("recipes", false), ("sweeps", true)] {
        let validator = validator(sweep);
        let folder = format!("{}/{folder}", env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                let instance = json(&std::fs::read_to_string(&path).unwrap());
                let errors: Vec<String> = validator
                    .iter_errors(&instance)
                    .map(|error| format!("{}: {error}", error.instance_path()))
                    .collect();
                assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
                count += 1;
            }
        }
        assert!(count > 5);
    }
}

#[test]
fn mistakes_in_a_recipe_do_not_fit() {
    let validator = validator(false);
    for wrong in [
        "setps = 3",
        "[train]\nsetps = 3",
        "[train]\nsteps = 'many'",
        "[train]\nsteps = 0.5",
        "[model.loss]\npoints = [1]",
        "[loss]\npoints = [1]",
        "[loss]\npionts = 1",
        "[augment]\nblur = { probability = 0.5, sigmas = [0.1, 0.9] }",
        "[method.filter]\nname = 'otsu'",
        "[method.filter]\nname = 'coupled'\nclass = 0.5",
        "[method.filter]\nthresholds = 0.5",
        "[method.correction]\nname = 'keep'\nweight = 0.5",
        "[method]\nname = 'supervised'\nlambda = 1.0",
        "seeds = [-1]",
        "seeds = [0, 0]",
        "sweeps = 'modules'",
        "extends = [1]",
        "extends = ['a.toml', 'a.toml']",
    ] {
        assert!(!validator.is_valid(&json(wrong)), "{wrong}");
    }
    for right in [
        "seeds = [0, 1]\nresults = 'there'\n'train.steps' = 3",
        "extends = ['a.toml', 'b.toml']",
        "[train]\nrate = 1",
        "[method.filter]\nname = 'decoupled'\nclass = 0.5\nmask = 0.5",
        "[method.filter]\nthreshold = 0.5",
        "[data]\nroot = 'x'",
        "[loss]\npoints = 3",
        "'loss.points' = 3",
    ] {
        assert!(validator.is_valid(&json(right)), "{right}");
    }
}

#[test]
fn mistakes_in_a_sweep_do_not_fit() {
    let validator = validator(true);
    for wrong in [
        "qestion = 'q'",
        "[[each]]\nset.'train.steps' = 3",
        "[[each]]\nlabel = 'a'\nset.'train.steps' = 'x'",
        "[[each]]\nlabel = 'a'\nset.'trian.steps' = 3",
        "[grid]\n'train.steps' = 3",
        "[grid]\n'trian.steps' = [3]",
        "[grid]\n'train.steps' = { values = [1], if = {} }",
        "[zip]\n'train.steps' = [1]\nexclude = []",
        "[leave-one-out]\nlabel = 'x'",
        "[leave-one-out]\nlabel = 'x'\noff.A.'trian.steps' = 1",
    ] {
        assert!(!validator.is_valid(&json(wrong)), "{wrong}");
    }
    for right in [
        "[grid]\n'train.steps' = { values = [1], when = { 'method.filter.name' = 'adaptive' } }\nexclude = [{ 'train.steps' = 1 }]",
        "[grid]\n'loss.points' = [3, 4]",
        "[grid]\ntrain.steps = [1]\nlabel = 's{train.steps}'",
        "[cumulative]\nlabel = 'x'\noff.A = { 'method.filter' = { name = 'coupled', threshold = 0.5 } }",
    ] {
        assert!(validator.is_valid(&json(right)), "{right}");
    }
}

#[test]
fn keys_have_their_defaults_and_comments() {
    let schema: Value = serde_json::from_str(&schema(false)).unwrap();
    let steps = &schema["properties"]["train"]["properties"]["checkpoint"];
    assert_eq!(steps["default"], 400);
    assert_eq!(steps["description"], "steps between checkpoints");
    let weights = &schema["properties"]["model"]["allOf"][0]["then"]["properties"]["weights"];
    let text = weights["description"].as_str().unwrap();
    assert!(
        text.contains("a Hugging Face Mask2Former folder") && text.ends_with("\"\": random"),
        "{text}"
    );
    assert_eq!(
        schema["properties"]["data"]["description"],
        "the embedded, drawn dataset"
    );
    let earlier = &schema["properties"]["loss"];
    assert_eq!(earlier["deprecated"], true);
    assert_eq!(earlier["description"], "this table is `model.loss` now");
    let names = &schema["properties"]["method"]["allOf"][1]["then"]["properties"]["filter"]["properties"]
        ["name"];
    assert_eq!(names["oneOf"][0]["const"], "coupled");
    assert_eq!(
        names["oneOf"][0]["description"],
        "one threshold on class quality times mask quality"
    );
}
