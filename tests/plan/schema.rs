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
        // Types and ranges of every kind of table: a plain one, a list of tables, a component of pl-dc.toml,
        // another one.
        "[train]\nrate = 0",
        "[train]\nrate = -1.0",
        "[train]\nsteps = 0",
        "[train]\nbetas = [0.9]",
        "[train]\ndecay-embeddings = 1",
        "[split]\nlabelled = 1.5",
        "[augment]\nflip = 2",
        "[augment]\nscale-distribution = 'normal'",
        "[augment]\njitter = { hue = 0.7 }",
        "[augment]\ncutout = [{ probability = 1.5, area = [0.05, 0.2], aspect = [0.3, 3.3] }]",
        "[augment]\ncutout = [{ probability = 0.5, areas = [0.05, 0.2] }]",
        "[loader]\nlabelled = 0",
        "[eval]\nmetrics = ['koko']",
        "[eval]\nmodel = 'teachers'",
        "[model]\nqueries = 0",
        "[model.backbone]\ndepths = [0, 1, 1, 1]",
        "[model.backbone]\ndepths = [1, 1, 1]",
        "[model.backbone]\nstem = { width = 'wide' }",
        "[method]\nema = 1.5",
        "[method]\nname = 'guided'\nteacher-steps = 0",
        "[method]\nname = 'guided'\nfilter = { name = 'decoupled', class = 1.5 }",
        "[method]\nname = 'mock'\nfailure = 'often'",
        "[method]\nname = 'mock'\nmodules = { a = 3 }",
        "[method.filter]\nclass = [0.7, 1.85]",
        "[method.filter]\nname = 'adaptive'\nperiod = 'day'",
        "[method.filter]\nname = 'coupled'\nthreshold = 1.5",
        "[method.filter]\nname = 'coupled'\nthreshold = 'high'",
        "[method.filter]\nname = 'decoupled'\nclass = [0.7, 0.9]",
        "[method.filter]\nname = 'top-share'\nshare = 0",
        "[method.correction]\nweight = 'half'",
        "[method.correction.vlm]\nname = 'prototypes'\nscale = 0",
        "[method.correction.vlm]\nname = 'prototypes'\nlevel = 'res9'",
        "[method.correction.vlm]\nname = 'clip'\nsize = -1",
        "[method.correction.vlm]\nname = 'clip'\ndescriptions = 5",
        "[method.weighting]\nrenormalise = 'no'",
        "[data]\nname = 'scenes'\nsize = 16",
        "[data]\nname = 'coco'\nroot = 3",
        "[data]\nname = 'coco'\nclasses = 'some'",
        "[data]\nname = 'coco'\narea-bounds = [1024.0]",
        "'train.steps' = 0",
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
        "[method.filter]\nname = 'coupled'\nthreshold = 1",
        "[method.filter]\nname = 'top-share'\nshare = 0.5",
        "[method.filter]\nname = 'adaptive'\nperiod = 'step'",
        "[method.correction.vlm]\nname = 'clip'\ndescriptions = ['a {}']",
        "[method.correction.vlm]\nname = 'clip'\ndescriptions = 'texts.json'",
        "[method]\nname = 'mock'\nmodules = { a = true }\neffects = { a = 1 }",
        "[augment]\ncutout = []",
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
    let text = steps["description"].as_str().unwrap();
    assert!(
        text.ends_with("In pl-dc.toml: steps between checkpoints"),
        "{text}"
    );
    assert_eq!(
        (&steps["type"], &steps["minimum"]),
        (&"integer".into(), &1.into())
    );
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

/// Everything that a component's own rules say of a key, an editor shows.
#[test]
fn every_key_of_every_component_has_a_type_and_a_text() {
    let schema: Value = serde_json::from_str(&schema(false)).unwrap();
    let mut seen = 0;
    look(&schema["properties"], "", &mut seen);
    assert!(seen > 200, "{seen}");
}

/// Looks at the keys of a table, and at those of the components that it can name.
fn look(properties: &Value, path: &str, seen: &mut usize) {
    for (key, inner) in properties.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        if key == "name" || inner["deprecated"] == true {
            continue;
        }
        let is_table = inner["type"] == "object";
        let typed = ["type", "enum", "oneOf", "anyOf"];
        assert!(
            typed.iter().any(|word| inner.get(word).is_some()),
            "{path}: {inner}"
        );
        let told = inner["description"].is_string() || inner["anyOf"].is_array();
        assert!(told || is_table, "{path}: {inner}");
        *seen += 1;
        look(&inner["properties"], &path, seen);
        for rule in inner["allOf"].as_array().into_iter().flatten() {
            if rule["if"]["required"].is_array() {
                look(&rule["then"]["properties"], &path, seen);
            }
        }
    }
}
