//! Watches what is logged for what must never stand there.

use std::io::{self, Write};

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Our own lines are looked at from DEBUG on, those of others from INFO on.
const FILTER: &str = "info,control_api=debug,sidetone_service=debug,sidetone_fleet=debug";
/// Digits after a plus sign that make a phone number.
const NUMBER_DIGITS: usize = 7;
/// How JSON Web Tokens begin.
const TOKENS: [&str; 2] = ["eyJhbGciOi", "eyJ0eXAiOi"];

/// What a test planted.
#[derive(Debug, Clone, Copy)]
pub struct Planted {
    /// Passwords, keys, tokens: may stand in no line.
    pub secrets: &'static [&'static str],
    /// Names, texts and addresses of people: may stand in no line above DEBUG. Phone numbers with
    /// a plus sign are found without being planted.
    pub private: &'static [&'static str],
}

/// Set, it lets the lines be printed.
const PRINTED: &str = "SIDETONE_TEST_LOG";

/// Formats every line of this process from now on, and ends the process with the line's text when
/// what was planted is in it. The lines are printed when `SIDETONE_TEST_LOG` is set. Only the first
/// call has an effect.
pub fn watch_log(planted: Planted) {
    let formatted = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(Watched {
            planted,
            printed: std::env::var_os(PRINTED).is_some(),
        });
    let registry = tracing_subscriber::registry().with(EnvFilter::new(FILTER));
    // another test may have been faster
    drop(registry.with(formatted).try_init());
}

impl Planted {
    /// What is wrong with a line, if anything.
    fn leak(&self, level: Level, line: &str) -> Option<String> {
        let secrets = self.secrets.iter().chain(&TOKENS);
        let private = self.private.iter().filter(|_| level < Level::DEBUG);
        let found = secrets.chain(private).find(|text| line.contains(**text));
        found.map(ToString::to_string).or_else(|| {
            let number = (level < Level::DEBUG).then(|| number(line));
            number.flatten()
        })
    }
}

/// The first phone number in a line.
fn number(line: &str) -> Option<String> {
    line.split('+').skip(1).find_map(|rest| {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        (digits.len() >= NUMBER_DIGITS).then_some(digits)
    })
}

struct Watched {
    planted: Planted,
    printed: bool,
}

struct Line {
    planted: Planted,
    printed: bool,
    level: Level,
}

impl<'a> MakeWriter<'a> for Watched {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            planted: self.planted,
            printed: self.printed,
            level: Level::ERROR,
        }
    }

    fn make_writer_for(&'a self, of: &Metadata<'_>) -> Line {
        let level = *of.level();
        Line {
            level,
            ..self.make_writer()
        }
    }
}

impl Write for Line {
    // a line is written at once
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = String::from_utf8_lossy(bytes);
        if let Some(leak) = self.planted.leak(self.level, &line) {
            end(&leak, &line);
        }
        if self.printed {
            io::stderr().write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A panic would be caught on its way, or be of a task that nobody looks at.
#[expect(clippy::print_stderr, reason = "this is where the reason is read")]
fn end(leak: &str, line: &str) -> ! {
    eprintln!("\n{leak:?} must not be in the log:\n{line}");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLANTED: Planted = Planted {
        secrets: &["a-password"],
        private: &["Carla"],
    };

    #[test]
    fn secrets_are_found_at_every_level_and_people_above_debug() {
        for (level, line, found) in [
            (Level::TRACE, "login with a-password", true),
            (Level::DEBUG, "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", true),
            (Level::DEBUG, "Carla calls from +4930123456", false),
            (Level::INFO, "Carla calls", true),
            (Level::WARN, "from=+4930123456", true),
            (
                Level::ERROR,
                "2026-11-26T12:00:00+00:00 in 1+1 calls",
                false,
            ),
        ] {
            assert_eq!(PLANTED.leak(level, line).is_some(), found, "{line}");
        }
    }
}
