//! `sidetone recordings check`: spool, store and database against each other, both ways.
//!
//! Each disagreement is a line: what it is about, what is wrong, what to do. Memory is bounded by
//! a page of rows, a page of the store's listing and the names in the spool.

use std::collections::HashMap;
use std::path::Path;
use std::process::ExitCode;

use control_api::{Row, SpoolStanding};
use recorder::{Inspection, Spooled, Stage, manifest_name};
use sidetone_vault::{LIST_MAX, Listed};
use sidetone_wire::{RecordingId, RecordingSource, TakeState};

use super::media::{self, Depth};
use super::{Bench, repair};
use crate::cli::CheckOptions;
use crate::tools;

/// Where the objects of recordings lie in the store.
const PREFIX: &str = "objects/";

/// Compares the three, and repairs what can be without losing anything if that is asked for. Fails
/// when a disagreement is left.
pub(super) async fn run(bench: &Bench, options: &CheckOptions) -> anyhow::Result<ExitCode> {
    if options.repair {
        repair::spool(bench).await?;
    }
    let mut check = Check {
        bench,
        repair: options.repair,
        depth: if options.whole {
            Depth::Whole
        } else {
            Depth::Ends
        },
        spool: bench.inspect().await?,
        disagreements: 0,
        rows: 0,
        objects: 0,
    };
    check.spool().await?;
    check.rows().await?;
    check.objects().await?;
    let Check {
        rows,
        objects,
        disagreements,
        ref spool,
        ..
    } = check;
    tools::print(&format!(
        "{rows} recordings, {objects} files in the store, {} takes in the spool: {disagreements} disagreements",
        spool.takes.len()
    ))?;
    Ok(if disagreements == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

struct Check<'a> {
    bench: &'a Bench,
    repair: bool,
    depth: Depth,
    spool: Inspection,
    disagreements: u64,
    rows: u64,
    objects: u64,
}

impl Check<'_> {
    fn say(&mut self, about: &str, wrong: &str, todo: &str) -> anyhow::Result<()> {
        self.disagreements += 1;
        tools::print(&format!("{about}: {wrong}; {todo}"))
    }

    fn say_of(&mut self, id: RecordingId, wrong: &str, todo: &str) -> anyhow::Result<()> {
        self.say(&format!("recording {id}"), wrong, todo)
    }

    /// The spool against the database.
    async fn spool(&mut self) -> anyhow::Result<()> {
        let place = format!("spool {}", self.bench.spool_dir.display());
        if let Some((spool, token)) = self.spool.identity {
            match self.bench.index.spool(spool, token).await? {
                SpoolStanding::Good => {}
                SpoolStanding::Foreign => self.say(
                    &place,
                    "belongs to another database",
                    "start with the DATABASE_URL it was used with, or move the folder away",
                )?,
                SpoolStanding::Old => self.say(
                    &place,
                    "is older than the database remembers, as if it was restored from a copy",
                    "bring the newest one back; what a copy holds was stored or erased since",
                )?,
            }
        }
        for path in self.spool.foreign.clone() {
            let wrong = "looks like a take and is none";
            self.say(&path.display().to_string(), wrong, "move it away")?;
        }
        let takes = self.spool.takes.clone();
        for some in takes.chunks(LIST_MAX) {
            let ids: Vec<RecordingId> = some.iter().map(|take| take.recording).collect();
            let rows = self.bench.index.rows_of(&ids).await?;
            for take in some {
                self.spooled(take, rows.get(&take.recording))?;
            }
        }
        Ok(())
    }

    /// One take of the spool against its row. What a running process is at is no disagreement.
    fn spooled(&mut self, take: &Spooled, row: Option<&Row>) -> anyhow::Result<()> {
        let id = take.recording;
        if let Some(problem) = &take.problem {
            let todo = "what can be read of it is sealed at the next start; bring its files back from a copy if there is one";
            return self.say_of(id, problem, todo);
        }
        let (wrong, todo) = match (take.stage, row.map(|row| row.state)) {
            (Stage::Damaged, _) => (
                "its spool file was damaged and is kept aside (*.damaged); what could be read of it was sealed",
                "remove the file once nobody wants to look at it",
            ),
            (_, Some(TakeState::Erased)) => (
                "it was erased, and something of it is in the spool",
                "a running sidetone removes it; so does --repair",
            ),
            (Stage::Sealed | Stage::Unsealed, Some(TakeState::Stored)) => (
                "it is stored, and still in the spool",
                "a running sidetone removes it; so does --repair",
            ),
            _ if self.spool.in_use => return Ok(()),
            (Stage::Sealed, _) => (
                "it is complete and waits in the spool for the store",
                "start sidetone, or use --repair",
            ),
            (Stage::Unsealed, _) => (
                "it was cut off and waits in the spool to be sealed",
                "start sidetone, or use --repair",
            ),
            (Stage::Remains, _) => (
                "a seal that was cut off left files in the spool",
                "start sidetone, or use --repair",
            ),
        };
        self.say_of(id, wrong, todo)
    }

    /// Each row against store and spool.
    async fn rows(&mut self) -> anyhow::Result<()> {
        let mut after = None;
        loop {
            let page = self.bench.index.rows_after(after).await?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.recording);
            for row in &page {
                self.rows += 1;
                self.row(row).await?;
            }
        }
    }

    async fn row(&mut self, row: &Row) -> anyhow::Result<()> {
        let id = row.recording;
        let takes = &self.spool.takes;
        let is_spooled = takes.binary_search_by_key(&id, |take| take.recording);
        let elsewhere = "look in the spool of the machine that recorded it; if that disk is lost, so is the recording";
        match row.state {
            TakeState::Stored => self.stored(row).await,
            TakeState::Sealed if is_spooled.is_err() => {
                let wrong = "it was complete, and is neither in this spool nor stored";
                self.say_of(id, wrong, elsewhere)
            }
            TakeState::Recording if is_spooled.is_err() && row.ended => {
                let wrong = "it has ended, and is neither in this spool nor stored";
                self.say_of(id, wrong, elsewhere)
            }
            TakeState::Erased if row.key.is_some() => self.say_of(
                id,
                "it was erased, and its key is still there",
                "report this: it should not be possible",
            ),
            TakeState::Erased if !row.erase_done => self.say_of(
                id,
                "its erasure is not finished (its key is gone)",
                "a running sidetone finishes it; if it does not, see its log",
            ),
            TakeState::Recording | TakeState::Sealed | TakeState::Failed | TakeState::Erased => {
                Ok(())
            }
        }
    }

    async fn stored(&mut self, row: &Row) -> anyhow::Result<()> {
        let id = row.recording;
        let key = match media::key_of(self.bench, row) {
            Ok(key) => key,
            Err(error) => {
                let todo = "set the RECORDING_KEY that it was recorded under";
                return self.say_of(id, &format!("{error:#}"), todo);
            }
        };
        let Some(first) = row.files.first() else {
            let wrong = "it is stored, and the database does not say where";
            return self.say_of(id, wrong, "restore the database from a backup");
        };
        let backup = "bring the object back from a version or a backup of the store";
        for file in &row.files {
            let fault = media::fault(self.bench, file, key.as_ref(), self.depth).await?;
            if let Some(fault) = fault {
                self.say_of(id, &format!("{} {fault}", file.object), backup)?;
            }
        }
        if row.source == RecordingSource::Tap {
            let manifest = manifest_name(&first.object);
            if self.bench.store.head(&manifest).await?.is_none() {
                self.say_of(id, &format!("{manifest} is not in the store"), backup)?;
            }
        }
        Ok(())
    }

    /// Each object against the rows.
    async fn objects(&mut self) -> anyhow::Result<()> {
        let mut after: Option<String> = None;
        let mut media_of = None;
        loop {
            let page = self.bench.store.list(PREFIX, after.as_deref()).await?;
            let ids: Vec<RecordingId> = page.iter().filter_map(|at| owner(&at.name)).collect();
            let rows = self.bench.index.rows_of(&ids).await?;
            for object in &page {
                self.objects += 1;
                self.object(object, &rows, &mut media_of).await?;
            }
            match page.last() {
                Some(last) if page.len() == LIST_MAX => after = Some(last.name.clone()),
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// `media_of`: whose media file was listed last. A manifest comes behind its media.
    async fn object(
        &mut self,
        object: &Listed,
        rows: &HashMap<RecordingId, Row>,
        media_of: &mut Option<RecordingId>,
    ) -> anyhow::Result<()> {
        let name = object.name.as_str();
        let Some(id) = owner(name) else {
            let wrong = "is not named like a recording's file";
            return self.say(name, wrong, "move it away");
        };
        let is_manifest = Path::new(name).extension().is_some_and(|e| e == "json");
        if !is_manifest {
            *media_of = Some(id);
        }
        let Some(row) = rows.get(&id) else {
            let wrong = if is_manifest && *media_of != Some(id) {
                "is a manifest without media, and the database does not know the recording"
            } else {
                "is of a recording that the database does not know"
            };
            let todo = "restore the database from a backup, or remove the file if it is another's";
            return self.say(name, wrong, todo);
        };
        match row.state {
            TakeState::Erased if self.repair => {
                self.bench.store.erase(name).await?;
                tools::print(&format!(
                    "{name}: was left of an erased recording, is erased now"
                ))
            }
            TakeState::Erased => {
                let wrong = "is left of an erased recording (its key is gone)";
                self.say(name, wrong, "use --repair")
            }
            TakeState::Stored => {
                let booked = row.files.iter().any(|file| file.object == name);
                let first = row.files.first().map(|file| manifest_name(&file.object));
                if booked || first.as_deref() == Some(name) {
                    return Ok(());
                }
                let wrong = "is not among the files of its recording";
                self.say(
                    name,
                    wrong,
                    "remove it once the recording itself is heard well",
                )
            }
            // on its way
            TakeState::Sealed => Ok(()),
            TakeState::Recording | TakeState::Failed => {
                let wrong = format!("is there, and the database says {}", row.state);
                self.say(
                    name,
                    &wrong,
                    "start sidetone with the spool that recorded it",
                )
            }
        }
    }
}

/// Whose file it is: `…/<recording>.enc`, `…/<recording>.<channel>.enc`, `…/<recording>.json`.
fn owner(name: &str) -> Option<RecordingId> {
    let file = name.rsplit('/').next()?;
    file.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_owner_is_in_its_name() {
        let id = "019ab2c3-0000-7000-8000-000000000001";
        for name in ["enc", "ogg", "json", "agent.ogg", "2.enc"] {
            let owner = owner(&format!("objects/acme/2026/11/{id}.{name}"));
            assert_eq!(owner.map(|owner| owner.to_string()).as_deref(), Some(id));
        }
        assert_eq!(owner("objects/acme/readme.txt"), None);
    }
}
