//! Secrets in text, and what stands in their place.
