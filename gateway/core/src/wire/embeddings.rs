//! The embeddings API of OpenAI, which most servers of such models speak: texts go there, numbers
//! come back. Given the model `m` and the text `a`: `{"input":["a"],"model":"m"}`. Given
//! `{"data":[{"index":0,"embedding":[3,4]}]}`: `[[3.0, 4.0]]`.

use serde::Deserialize;
use serde_json::json;

/// The body of a request for the embeddings of texts.
#[must_use]
pub fn request(model: &str, texts: &[&str]) -> String {
    json!({ "model": model, "input": texts }).to_string()
}

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("its answer is not that of an embeddings API: an object with `data`, a list of objects with `embedding`")]
    Shape,
    #[error("it answered with {given} embeddings for {asked} texts")]
    Count { given: usize, asked: usize },
    #[error("the `index` of its embeddings names a text twice, or one that it was not asked for")]
    Index,
}

#[derive(Debug, Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Debug, Deserialize)]
struct Item {
    embedding: Vec<f32>,
    /// Some servers leave it out, and answer in the order of the texts.
    #[serde(default)]
    index: Option<usize>,
}

/// The embeddings of so many texts, in the order in which they were asked for.
///
/// # Errors
/// [`Unread`] when the answer holds anything else.
pub fn read(answer: &[u8], asked: usize) -> Result<Vec<Vec<f32>>, Unread> {
    let answer: Answer = serde_json::from_slice(answer).map_err(|_| Unread::Shape)?;
    let given = answer.data.len();
    if given != asked {
        return Err(Unread::Count { given, asked });
    }
    let mut places: Vec<Option<Vec<f32>>> = vec![None; asked];
    for (at, item) in answer.data.into_iter().enumerate() {
        let place = places.get_mut(item.index.unwrap_or(at)).filter(|place| place.is_none());
        *place.ok_or(Unread::Index)? = Some(item.embedding);
    }
    places.into_iter().collect::<Option<_>>().ok_or(Unread::Index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, asked: usize, expect: Result<&[&[f32]], Unread>) {
        let expect = expect.map(|rows| rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>());
        assert_eq!(read(answer.as_bytes(), asked), expect, "{answer}");
    }

    #[test]
    fn texts_are_asked_for_as_they_are() {
        let body: serde_json::Value = serde_json::from_str(&request("m", &["a \"b\"", "é\n"])).unwrap();
        assert_eq!(body, json!({ "model": "m", "input": ["a \"b\"", "é\n"] }));
    }

    #[test]
    fn answers_come_in_the_order_of_the_texts() {
        check(r#"{"data":[{"index":0,"embedding":[3,4]}],"model":"m"}"#, 1, Ok(&[&[3.0, 4.0]]));
        check(r#"{"data":[{"index":1,"embedding":[1]},{"index":0,"embedding":[2]}]}"#, 2, Ok(&[&[2.0], &[1.0]]));
        check(r#"{"data":[{"embedding":[1]},{"embedding":[2]}]}"#, 2, Ok(&[&[1.0], &[2.0]]));
        check(r#"{"data":[]}"#, 0, Ok(&[]));
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for shape in ["", "{}", "[]", r#"{"data":[{"index":0}]}"#, r#"{"data":[{"embedding":["a"]}]}"#] {
            check(shape, 1, Err(Unread::Shape));
        }
        check(r#"{"data":[{"embedding":[1]}]}"#, 2, Err(Unread::Count { given: 1, asked: 2 }));
        check(r#"{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[2]}]}"#, 2, Err(Unread::Index));
        check(r#"{"data":[{"index":7,"embedding":[1]}]}"#, 1, Err(Unread::Index));
    }
}
