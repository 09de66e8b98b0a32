//! `recado explain`: what a code means, what to do, and how HTTP and the shell see it.
//! Invariant: every code of the model is explained; numbers come from the tables that the doors use.
//! Called by `main`; tests below.

use model::Code;
use serde::Serialize;

use crate::exit::{Complaint, Exit};
use crate::output::{Format, Output};

/// One code, explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Explanation {
    code: &'static str,
    title: &'static str,
    hint: &'static str,
    status: u16,
    exit: u8,
}

impl Explanation {
    fn of(code: Code) -> Self {
        Self {
            code: code.word(),
            title: code.title(),
            hint: code.hint(),
            status: web::status_of(code).as_u16(),
            exit: Exit::of(code).number(),
        }
    }
}

/// Explains one code, or lists all.
pub(crate) fn run(word: Option<&str>, format: Format) -> Result<(), Complaint> {
    let output = Output { format };
    let Some(word) = word else {
        let all: Vec<Explanation> = Code::ALL.iter().copied().map(Explanation::of).collect();
        return output.data(&all, &["code", "http", "exit", "meaning"], |all| {
            let row = |found: &Explanation| {
                vec![found.code.to_owned(), found.status.to_string(), found.exit.to_string(), found.title.to_owned()]
            };
            all.iter().map(row).collect()
        });
    };
    let code = Code::parse(word).ok_or_else(|| unknown(word))?;
    output.thing(&Explanation::of(code), |found| {
        vec![
            ("code", found.code.to_owned()),
            ("meaning", found.title.to_owned()),
            ("what to do", found.hint.to_owned()),
            ("HTTP status", found.status.to_string()),
            ("exit code", format!("{} ({})", found.exit, Exit::of(code).meaning())),
        ]
    })
}

fn unknown(word: &str) -> Complaint {
    let words = Code::ALL.iter().map(|code| code.word());
    let hint = crate::config::nearest(word, words)
        .map_or_else(|| "recado explain lists all codes".to_owned(), |nearest| format!("did you mean {nearest}?"));
    Complaint::here(Exit::NotFound, "code_not_found", format!("there is no code {word}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained() {
        for code in Code::ALL {
            let explanation = Explanation::of(*code);
            assert!((400..600).contains(&explanation.status), "{explanation:?}");
            assert!(explanation.exit >= 65, "{explanation:?}");
            assert!(!explanation.title.is_empty() && !explanation.hint.is_empty());
        }
    }

    #[test]
    fn a_mistyped_code_is_guessed() {
        let complaint = unknown("queue_not_fuond");
        assert_eq!(
            complaint.to_string(),
            "error[code_not_found]: there is no code queue_not_fuond\nhint: did you mean queue_not_found?"
        );
    }
}
