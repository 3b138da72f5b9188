//! Words by which a step asks for a command, a file or a tool at its end.

use super::*;

/// Whether something is found in each of these lines of a step where `git push` is refused.
#[track_caller]
fn check(lines: &[&str], is_told: bool) {
    let lockdown = "{ allow: ['*'], deny: ['Bash(git push *)', 'runs(git push *)', 'reads(**/.env*)', WebFetch] }";
    let told = |line: &str| {
        let case = Case { lockdown, texts: vec![prose("look.md", &format!("{line}\n"))], ..Case::default() };
        case.found("min_score: 0").into_iter().map(|found| found.rule).collect::<Vec<_>>()
    };
    let expect = |line: &str| match (is_told, line.contains("WebFetch")) {
        (false, _) => vec![],
        (true, true) => vec!["refused-tool"],
        (true, false) => vec!["forbidden"],
    };
    let wrong: Vec<_> = lines.iter().filter(|line| told(line) != expect(line)).collect();
    assert!(wrong.is_empty(), "{is_told}: {wrong:#?}");
}

#[test]
fn what_a_step_is_to_end_with() {
    let asked = [
        "Finish by running `git push origin HEAD`.",
        "Finish by running `git push -u origin main`, then stop.",
        "End by running `git push origin main`.",
        "End with `git push origin main`.",
        "Finish up by executing `git push origin HEAD`.",
        "Wrap up with `git push origin HEAD`.",
        "Conclude by running the command `git push origin HEAD`.",
        "Complete the step by running `git push -u origin HEAD`.",
        "Commit, then finish by running `git push origin HEAD`.",
        "You finish by running `git push origin HEAD`.",
        "You should finish by running `git push origin HEAD`.",
        "Be sure to finish by running `git push origin HEAD`.",
        "Once the tests pass, finish by running `git push origin HEAD`.",
        "Publish the branch by running `git push origin HEAD`.",
        "Share your work by running `git push origin HEAD`.",
        "Last, run `git push origin HEAD`.",
        "As the last step, run `git push origin HEAD`.",
        "Then run `git push origin HEAD`.",
        "Finally, `git push origin HEAD`.",
        "When all is done, run `git push origin HEAD`.",
        "**Finish** by running `git push origin HEAD`.",
        "- Commit. Lastly run `git push origin HEAD`.",
        "Do not stop there: finish by running `git push origin HEAD`.",
        "This step ends with `git push origin HEAD`.",
        "Ask the person to read it, then publish it with `git push origin HEAD`.",
        "Ask the person to wait, and look it up with `WebFetch`.",
        "Finish by reading `.env`.",
        "End by printing `.env`.",
        "Finish by calling `WebFetch`.",
    ];
    check(&asked, true);
}

#[test]
fn what_a_step_is_not_to_end_with_or_somebody_else_does() {
    let fine = [
        "Never run `git push origin HEAD`.",
        "Do not finish by running `git push origin HEAD`.",
        "Don't end with `git push origin HEAD`.",
        "Never end a step by running `git push origin HEAD`.",
        "Finish without running `git push origin HEAD`.",
        "Finish by running `git status -s`.",
        "The person finishes by running `git push origin HEAD`.",
        "CI ends by running `git push origin HEAD`.",
        "The pipeline will finish by running `git push origin HEAD`.",
        "Ask the person to finish by running `git push origin HEAD`.",
        "Finish by asking the person to run `git push origin HEAD`.",
        "If you would finish by running `git push origin HEAD`, stop.",
        "Before you finish by running `git push origin HEAD`, stop.",
        "Instead of ending with `git push origin HEAD`, write a summary.",
        "Finish by writing a summary. `git push origin HEAD` is done by CI.",
        "Did you finish by running `git push origin HEAD`?",
        "Ask the person to publish it with `git push origin HEAD`.",
        "We used to publish with `git push origin HEAD`.",
        "Let the person look it up with `WebFetch`.",
        "The old script ends with `git push origin HEAD`.",
        "The old script ended with `git push origin HEAD`.",
        "The release is published by running `git push origin HEAD`.",
        "A step that ends by running `git push origin HEAD` fails.",
        "Finish by reading `src/app.ts`.",
        "Do not finish by reading `.env`.",
        "Avoid ending by calling `WebFetch`.",
    ];
    check(&fine, false);
}
