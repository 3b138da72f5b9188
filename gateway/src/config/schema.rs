//! JSON Schemas of the files that operators edit, for completion and checking in their editors.

use schemars::generate::SchemaSettings;

use crate::config::document;

/// The name of each schema's file under `config/schema/`, and its text.
#[must_use]
pub fn all() -> [(&'static str, String); 4] {
    [
        ("airplane.schema.json", of::<jetway_core::retrieval::airplane::Document>()),
        ("gateway.schema.json", of::<document::Gateway>()),
        ("policy.schema.json", of::<jetway_core::policy::Document>()),
        ("prices.schema.json", of::<document::Prices>()),
    ]
}

fn of<T: schemars::JsonSchema>() -> String {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}
