use maud::{DOCTYPE, Markup, html};

use crate::auth::Session;

pub fn login() -> Markup {
    page(html! {
        h1 { "Reports" }
        form method="post" action="/login" {
            label { "E-mail " input id="email" name="email" type="email" required; }
            label { "Password " input id="password" name="password" type="password" required; }
            button id="log-in" { "Log in" }
        }
    })
}

pub fn reports(session: &Session, problem: Option<&str>) -> Markup {
    page(html! {
        h1 { "Reports of " (session.user_id) }
        p { "Your plan: " span id="plan" { (session.plan) } }
        @if let Some(problem) = problem { p id="problem" role="alert" { (problem) } }
        form method="post" {
            button id="upgrade" formaction="/upgrade" { "Upgrade to pro, 20 a month" }
            button id="export" formaction="/export" { "Export the report" }
            button id="log-out" formaction="/logout" { "Log out" }
        }
    })
}

fn page(content: Markup) -> Markup {
    html! { (DOCTYPE) html lang="en" { title { "Reports" } (content) } }
}
