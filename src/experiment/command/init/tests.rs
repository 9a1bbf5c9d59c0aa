//! Tests the new folders: their recipes plan, on usual and on odd data, and bad data writes nothing.
