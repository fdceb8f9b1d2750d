//! Whether the LiveKit server can be worked with, in words for the operator.

use sidetone_room::service::Error;
use sidetone_wire::Signal;
use tracing::{info, warn};

/// What is known about the server.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// What was told last.
    told: Option<Signal>,
}

impl Link {
    /// Takes in how the server answered; gives the signal to send. A change is logged once.
    pub(crate) fn handle_answer(&mut self, answer: Result<(), &Error>) -> Signal {
        let problem = answer.err().map(problem);
        let signal = Signal::LivekitLink {
            problem: problem.clone(),
        };
        if self.told.as_ref() != Some(&signal) {
            self.told = Some(signal.clone());
            if let Some(problem) = problem {
                warn!(problem, "LiveKit cannot be worked with: trying again");
            } else {
                info!("LiveKit answers");
            }
        }
        signal
    }
}

/// The setting that is likely wrong, and what the server answered.
fn problem(error: &Error) -> String {
    let setting = match error {
        Error::Unauthorized { answer, .. } if answer.to_lowercase().contains("api key") => {
            "LIVEKIT_API_KEY"
        }
        Error::Unauthorized { .. } => "LIVEKIT_API_SECRET",
        Error::NotFound(_) | Error::Unreachable { .. } => "LIVEKIT_URL",
    };
    format!("{setting}: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unauthorized(answer: &str) -> Error {
        Error::Unauthorized {
            url: "http://sfu.example".into(),
            answer: answer.into(),
        }
    }

    #[test]
    fn the_setting_and_the_answer_are_named() {
        let mut link = Link::default();
        for (error, setting) in [
            (
                unauthorized("invalid API key: x"),
                "LIVEKIT_API_KEY: http://sfu.example",
            ),
            (
                unauthorized("invalid token"),
                "LIVEKIT_API_SECRET: http://sfu.example",
            ),
            (
                Error::Unreachable {
                    url: "http://sfu.example".into(),
                    reason: "refused".into(),
                },
                "LIVEKIT_URL: http://sfu.example does not answer: refused",
            ),
        ] {
            let Signal::LivekitLink {
                problem: Some(problem),
            } = link.handle_answer(Err(&error))
            else {
                panic!("no problem is told");
            };
            assert!(problem.starts_with(setting), "{problem}");
        }
        assert_eq!(
            link.handle_answer(Ok(())),
            Signal::LivekitLink { problem: None }
        );
    }
}
