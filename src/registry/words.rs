//! Says in words what the JSON Schema of a value allows: its type, its range, the words that it may be.

use serde_json::Value;

/// The type and the range of a described value in words: "a number, 0 to 1", "one of `medium`, `high`".
pub fn in_words(schema: &Value) -> String {
    let words = choices(schema);
    if !words.is_empty() {
        let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        return format!("one of {}", quoted.join(", "));
    }
    if let Some(ways) = schema["anyOf"].as_array() {
        let ways: Vec<String> = ways.iter().map(in_words).collect();
        return ways.join(", or ");
    }
    let range = range_in_words(schema);
    match kind(schema) {
        "integer" => format!("a whole number{range}"),
        "number" => format!("a number{range}"),
        "boolean" => "`true` or `false`".into(),
        "array" => {
            let count = schema["minItems"]
                .as_u64()
                .filter(|_| schema["minItems"] == schema["maxItems"]);
            let items = &schema["items"];
            let words = choices(items);
            let what = match kind(items) {
                _ if !words.is_empty() => format!("words, each {}", in_words(items)),
                "integer" => format!("whole numbers{}", range_in_words(items)),
                "number" => format!("numbers{}", range_in_words(items)),
                "object" => "tables".into(),
                "array" => in_words(items).replacen("a list", "lists", 1),
                _ => "texts".into(),
            };
            match count {
                Some(count) => format!("a list of {count} {what}"),
                None => format!("a list of {what}"),
            }
        }
        "object" => "a table".into(),
        _ => "a text".into(),
    }
}

/// The words that a described value may be; none if it is no word.
pub fn choices(schema: &Value) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let ways = schema["oneOf"].as_array().into_iter().flatten();
    let ways = ways.flat_map(|way| {
        let several = way["enum"].as_array().into_iter().flatten();
        several.chain(way.get("const"))
    });
    listed.chain(ways).filter_map(Value::as_str).collect()
}

/// The type of a described value, as JSON Schema names it; `null`, a missing value, does not count.
pub fn kind(schema: &Value) -> &str {
    let several = schema["type"].as_array().into_iter().flatten();
    let named = several.chain(schema.get("type"));
    let mut named = named.filter_map(Value::as_str);
    named.find(|name| *name != "null").unwrap_or_default()
}

/// The range of a described number, after a comma; empty if every number is allowed.
fn range_in_words(schema: &Value) -> String {
    let bound = |keyword: &str| schema.get(keyword).map(Value::to_string);
    let low = bound("minimum").map(|low| (low, "at least"));
    let low = low.or_else(|| bound("exclusiveMinimum").map(|low| (low, "above")));
    let high = bound("maximum").map(|high| (high, "at most"));
    let high = high.or_else(|| bound("exclusiveMaximum").map(|high| (high, "below")));
    match (low, high) {
        (Some((low, "at least")), Some((high, "at most"))) => format!(", {low} to {high}"),
        (Some((low, "at least")), None) => format!(", {low} or more"),
        (Some((low, word)), Some((high, other))) => format!(", {word} {low}, {other} {high}"),
        (Some((low, word)), None) => format!(", {word} {low}"),
        (None, Some((high, word))) => format!(", {word} {high}"),
        (None, None) => String::new(),
    }
}

/// The schema of the value at `path`, such as `cutout[0].area`, inside the described table; none if it has no such key.
pub fn schema_at<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    let mut place = schema;
    for key in path.split('.') {
        let name = key.split('[').next()?;
        place = place.get("properties")?.get(name)?;
        for _ in key.matches('[') {
            place = place.get("items")?;
        }
    }
    Some(place)
}
