//! Stretches that were paused on purpose.

use sidetone_media::MediaTime;
use sidetone_wire::Pause;

/// Pauses that a manifest lists; of more, further ones are listed as one.
const MAX_PAUSES: usize = 1_000;

/// The pauses of a take.
#[derive(Debug, Default)]
pub(super) struct Pauses(Vec<Span>);

#[derive(Debug)]
struct Span {
    from: MediaTime,
    /// `None` while it goes on: to the end of the take.
    to: Option<MediaTime>,
    by: String,
}

impl Pauses {
    /// A pause from `at` on; during one, it is the later one's.
    pub(super) fn pause(&mut self, at: MediaTime, by: &str) {
        let room = self.0.len() < MAX_PAUSES;
        match self.0.last_mut() {
            Some(open) if open.to.is_none() || !room => {
                open.to = None;
                open.from = open.from.min(at);
                by.clone_into(&mut open.by);
            }
            Some(_) | None => self.0.push(Span {
                from: at,
                to: None,
                by: by.to_owned(),
            }),
        }
    }

    /// The end of the pause.
    pub(super) fn resume(&mut self, at: MediaTime) {
        if let Some(open) = self.0.last_mut()
            && open.to.is_none()
        {
            open.to = Some(at.max(open.from));
        }
    }

    /// Whether some of this stretch was paused.
    pub(super) fn touch(&self, from: MediaTime, to: MediaTime) -> bool {
        let touches = |span: &Span| to > span.from && span.to.is_none_or(|end| from < end);
        self.0.iter().rev().any(touches)
    }

    /// The list for a take of this length.
    pub(super) fn into_list(self, duration_ms: u64) -> Vec<Pause> {
        let list = self.0.into_iter().map(|span| Pause {
            from_ms: span.from.ms(),
            to_ms: span.to.map_or(duration_ms, |to| to.ms().min(duration_ms)),
            by: span.by,
        });
        list.filter(|pause| pause.from_ms < pause.to_ms).collect()
    }
}
