//! OpenAI's Chat Completions API, which llama.cpp, vLLM and Ollama speak too.

pub mod bar;
pub mod reply;
pub mod request;
