//! What the simulated people say: scripts and voices, committed as assets.

use std::sync::LazyLock;

use rust_embed::RustEmbed;
use serde::Deserialize;

use crate::clip::Clip;

/// Made by `assets/make.sh` from `assets/scripts.json`.
#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// One of the two who talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Who calls.
    Customer,
    /// The AI agent.
    Agent,
}

/// A conversation as it is written.
#[derive(Debug)]
pub struct Script {
    /// One word, unique; its assets are in the folder of this name.
    pub name: String,
    /// What it is about, for people.
    pub topic: String,
    /// What it is about, as a label.
    pub tag: String,
    /// Who calls.
    pub customer: Caller,
    /// The agent's name.
    pub agent: String,
    /// In order.
    pub turns: Vec<Turn>,
}

/// Who calls.
#[derive(Debug)]
pub struct Caller {
    /// Their name.
    pub name: String,
    /// Their number (E.164), from the ranges kept for fiction; `None` for calls from a browser.
    pub number: Option<String>,
}

/// Something said.
#[derive(Debug)]
pub struct Turn {
    /// By whom.
    pub side: Side,
    /// The words.
    pub text: String,
    /// Silence since the turn before ended, in milliseconds.
    pub pause_ms: u32,
    /// Starts so long before the turn before ends, in milliseconds.
    pub overlap_ms: u32,
    /// The words spoken.
    pub clip: Clip,
}

/// Every script, each with at least one turn of each side.
///
/// # Panics
/// When the assets do not fit together, which a test of this crate would have said.
pub fn all() -> &'static [Script] {
    static SCRIPTS: LazyLock<Vec<Script>> =
        LazyLock::new(|| load().expect("the assets are tested to be whole"));
    &SCRIPTS
}

/// The script of this name.
pub fn find(name: &str) -> Option<&'static Script> {
    all().iter().find(|script| script.name == name)
}

#[derive(Deserialize)]
struct ScriptFile {
    name: String,
    topic: String,
    tag: String,
    customer: VoiceFile,
    agent: VoiceFile,
    turns: Vec<TurnFile>,
}

#[derive(Deserialize)]
struct VoiceFile {
    name: String,
    number: Option<String>,
}

#[derive(Deserialize)]
struct TurnFile {
    speaker: Side,
    text: String,
    #[serde(default = "default_pause_ms")]
    pause_ms: u32,
    #[serde(default)]
    overlap_ms: u32,
}

/// People answer after about so long.
const fn default_pause_ms() -> u32 {
    450
}

fn load() -> anyhow::Result<Vec<Script>> {
    let scripts: Vec<ScriptFile> = serde_json::from_slice(&asset("scripts.json")?)?;
    scripts.into_iter().map(load_script).collect()
}

fn load_script(file: ScriptFile) -> anyhow::Result<Script> {
    let levels = String::from_utf8(asset(&format!("{}/levels.txt", file.name))?)?;
    anyhow::ensure!(
        levels.lines().count() == file.turns.len(),
        "{}/levels.txt has another number of lines than the script has turns",
        file.name
    );
    let turns = file.turns.into_iter().zip(levels.lines()).enumerate();
    let turns = turns.map(|(index, (turn, levels))| {
        let path = format!("{}/{index:02}.ogg", file.name);
        let clip = Clip::from_ogg(&asset(&path)?, &from_hex(levels)?)
            .map_err(|error| anyhow::anyhow!("{path}: {error}"))?;
        Ok(Turn {
            side: turn.speaker,
            text: turn.text,
            pause_ms: turn.pause_ms,
            overlap_ms: turn.overlap_ms,
            clip,
        })
    });
    Ok(Script {
        turns: turns.collect::<anyhow::Result<_>>()?,
        name: file.name,
        topic: file.topic,
        tag: file.tag,
        customer: Caller {
            name: file.customer.name,
            number: file.customer.number,
        },
        agent: file.agent.name,
    })
}

fn asset(path: &str) -> anyhow::Result<Vec<u8>> {
    let file = Assets::get(path).ok_or_else(|| anyhow::anyhow!("no asset {path}"))?;
    Ok(file.data.into_owned())
}

fn from_hex(text: &str) -> anyhow::Result<Vec<u8>> {
    (0..text.len())
        .step_by(2)
        .map(|at| Ok(u8::from_str_radix(text.get(at..at + 2).unwrap_or("?"), 16)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_script_is_whole_and_both_sides_speak_in_it() {
        let scripts = load().unwrap();
        assert!(scripts.len() >= 6);
        for script in &scripts {
            for side in [Side::Customer, Side::Agent] {
                assert!(
                    script.turns.iter().any(|t| t.side == side),
                    "{}",
                    script.name
                );
            }
            for turn in &script.turns {
                let ms = turn.clip.duration().as_millis();
                assert!(
                    (300..20_000).contains(&ms),
                    "{}: {:?} lasts {ms} ms",
                    script.name,
                    turn.text
                );
                let loudest = turn.clip.packets().iter().map(|p| p.level_dbov).min();
                assert!(
                    loudest < Some(30),
                    "{}: {:?} is silent",
                    script.name,
                    turn.text
                );
            }
        }
    }

    #[test]
    fn names_differ_and_numbers_are_from_the_ranges_kept_for_fiction() {
        let scripts = all();
        let names: HashSet<_> = scripts.iter().map(|s| &s.name).collect();
        let agents: HashSet<_> = scripts.iter().map(|s| &s.agent).collect();
        let customers: HashSet<_> = scripts.iter().map(|s| &s.customer.name).collect();
        assert_eq!(names.len(), scripts.len());
        assert_eq!(agents.len(), scripts.len());
        assert_eq!(customers.len(), scripts.len());
        for number in scripts.iter().filter_map(|s| s.customer.number.as_deref()) {
            let fiction = ["+442079460", "+447700900", "+441632960", "+441174960"]
                .iter()
                .any(|range| number.starts_with(range))
                || (number.starts_with("+1") && number[5..].starts_with("55501"));
            assert!(fiction, "{number}");
        }
    }

    #[test]
    fn the_assets_stay_small() {
        let bytes: usize = Assets::iter()
            .map(|path| Assets::get(&path).unwrap().data.len())
            .sum();
        assert!(bytes < 2_000_000, "{bytes}");
    }
}
