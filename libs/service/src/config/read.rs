//! From environment and file to [`Settings`], collecting everything that is wrong.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::table::{self, Kind, SETTINGS, Setting};
use super::{Settings, judge};

/// Where settings are read from.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The environment.
    pub vars: BTreeMap<String, String>,
    /// The settings file's name and text, if there is one.
    pub file: Option<(PathBuf, String)>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's name, or the unknown key.
    pub name: String,
    /// What is wrong and what is expected. Never a secret's value.
    pub text: String,
}

/// Everything that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.text)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are wrong:")?;
        for problem in &self.0 {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Problems {
    pub(super) fn one(name: &str, text: impl Into<String>) -> Self {
        Self(vec![Problem {
            name: name.to_owned(),
            text: text.into(),
        }])
    }
}

impl Input {
    /// The process's environment, and `sidetone.toml` of the working directory or the file that
    /// `SIDETONE_CONFIG` names.
    ///
    /// # Errors
    /// When `SIDETONE_CONFIG` names a file that cannot be read.
    pub fn from_process() -> Result<Self, Problems> {
        // variables that are not UTF-8 are none of ours: all our names and values are
        let vars: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = vars.get(table::CONFIG_FILE).filter(|path| !path.is_empty());
        let path = named.map_or_else(|| PathBuf::from("sidetone.toml"), PathBuf::from);
        let file = match std::fs::read_to_string(&path) {
            Ok(text) => Some((path, text)),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => {
                let text = format!("{} cannot be read: {error}", path.display());
                return Err(Problems::one(table::CONFIG_FILE, text));
            }
        };
        Ok(Self { vars, file })
    }

    /// Settings given one by one, without a file.
    pub fn from_vars<N: Into<String>, V: Into<String>>(
        vars: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        Self {
            vars: vars
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            file: None,
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The settings file.
    File,
    /// The environment.
    Environment,
}

#[derive(Debug)]
pub(super) struct Read {
    pub(super) settings: Settings,
    pub(super) origins: BTreeMap<&'static str, Origin>,
}

/// Reads and checks, without touching the disk.
pub(super) fn read(input: &Input) -> Result<Read, Problems> {
    let mut problems = Vec::new();
    let mut given = from_file(input, &mut problems);
    from_environment(input, &mut given, &mut problems);
    let origins = SETTINGS
        .iter()
        .map(|setting| {
            let origin = given
                .get(setting.name)
                .map_or(Origin::Default, |g| g.origin);
            (setting.name, origin)
        })
        .collect();
    let settings = extract(given, &mut problems);
    if let Some(settings) = &settings {
        judge::judge(settings, &mut problems);
    }
    match settings {
        Some(mut settings) if problems.is_empty() => {
            if settings.server.public_url.is_empty() {
                settings.server.public_url = format!("http://{}", settings.server.http);
            }
            Ok(Read { settings, origins })
        }
        _ => Err(Problems(problems)),
    }
}

struct Given {
    setting: &'static Setting,
    value: Value,
    origin: Origin,
}

type AllGiven = BTreeMap<&'static str, Given>;

fn from_file(input: &Input, problems: &mut Vec<Problem>) -> AllGiven {
    let mut given = AllGiven::new();
    let Some((path, text)) = &input.file else {
        return given;
    };
    let data = match Toml::string(text).data() {
        Ok(data) => data,
        Err(error) => {
            // the parser's text quotes the line, which may hold a secret
            let told = error.to_string();
            let place = told.lines().next().unwrap_or_default();
            problems.push(Problem {
                name: file_name(path),
                text: format!("is not TOML: {place}"),
            });
            return given;
        }
    };
    let top = data.into_values().flatten();
    for (key, value) in top {
        if let Some(setting) = table::by_name(&key) {
            put(&mut given, setting, value, problems);
        } else if let Value::Dict(_, section) = value {
            for (inner, value) in section {
                let path = format!("{key}.{inner}");
                match table::by_path(&path) {
                    Some(setting) => put(&mut given, setting, value, problems),
                    None => problems.push(unknown(&path)),
                }
            }
        } else {
            problems.push(unknown(&key));
        }
    }
    given
}

fn put(given: &mut AllGiven, setting: &'static Setting, value: Value, problems: &mut Vec<Problem>) {
    if given.contains_key(setting.name) {
        problems.push(Problem {
            name: setting.name.to_owned(),
            text: format!("is in the file twice, also as {}", setting.path),
        });
        return;
    }
    let value = match value.as_str() {
        Some(text) => typed(setting, text),
        None => Ok(value),
    };
    match value {
        Ok(value) => {
            let origin = Origin::File;
            given.insert(
                setting.name,
                Given {
                    setting,
                    value,
                    origin,
                },
            );
        }
        Err(text) => problems.push(Problem {
            name: setting.name.to_owned(),
            text,
        }),
    }
}

fn from_environment(input: &Input, given: &mut AllGiven, problems: &mut Vec<Problem>) {
    for (name, text) in &input.vars {
        let Some(setting) = table::by_name(name) else {
            if name.starts_with("SIDETONE_") && name != table::CONFIG_FILE {
                problems.push(unknown(name));
            }
            continue;
        };
        if text.is_empty() {
            continue; // compose files say NAME= for what is not set
        }
        match typed(setting, text) {
            Ok(value) => {
                let origin = Origin::Environment;
                given.insert(
                    setting.name,
                    Given {
                        setting,
                        value,
                        origin,
                    },
                );
            }
            Err(text) => problems.push(Problem {
                name: name.clone(),
                text,
            }),
        }
    }
}

fn typed(setting: &Setting, text: &str) -> Result<Value, String> {
    match setting.kind {
        Kind::Text | Kind::Secret => Ok(Value::from(text)),
        Kind::Switch => match text {
            "true" | "1" => Ok(Value::from(true)),
            "false" | "0" => Ok(Value::from(false)),
            _ => Err(format!("{text:?} is neither true nor false")),
        },
        Kind::Number => text
            .parse::<u32>()
            .map(Value::from)
            .map_err(|_| format!("{text:?} is not a whole number")),
        Kind::List => Ok(Value::from(
            text.split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )),
    }
}

/// One setting's value under its own name, so that errors name it.
struct One<'a>(&'a str, &'a str, Value);

impl Provider for One<'_> {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.0.to_owned())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let nested = figment::util::nest(self.1, self.2.clone());
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Profile::Default.collect(dict))
    }
}

/// Makes the settings of what was given. A value that does not fit is told and left out, then the
/// rest is tried again, so that all of them are told at once.
fn extract(mut given: AllGiven, problems: &mut Vec<Problem>) -> Option<Settings> {
    let mut told = HashSet::new();
    for _ in 0..=SETTINGS.len() {
        let mut figment = Figment::new();
        for section in [
            "livekit", "keys", "admin", "database", "redis", "s3", "ingress",
        ] {
            figment = figment.merge(One("defaults", section, Value::from(Dict::new())));
        }
        for setting in SETTINGS.iter().filter(|s| !s.default.is_empty()) {
            let value = typed(setting, setting.default).expect("defaults are of their kind");
            figment = figment.merge(One(setting.name, setting.path, value));
        }
        for one in given.values() {
            let provider = One(one.setting.name, one.setting.path, one.value.clone());
            figment = figment.merge(provider);
        }
        let error = match figment.extract::<Settings>() {
            Ok(settings) => return Some(settings),
            Err(error) => error,
        };
        let path = error.path.join(".");
        let culprit =
            table::by_path(&path).or_else(|| SETTINGS.iter().find(|s| path.starts_with(s.path)));
        match culprit {
            Some(setting) if told.insert(setting.name) => {
                given.remove(setting.name);
                problems.push(misfit(setting, &error));
            }
            _ => {
                problems.push(Problem {
                    name: path,
                    text: error.kind.to_string(),
                });
                return None;
            }
        }
    }
    None
}

fn misfit(setting: &Setting, error: &figment::Error) -> Problem {
    let text = if setting.kind == Kind::Secret {
        "is not text".to_owned()
    } else {
        error.kind.to_string()
    };
    Problem {
        name: setting.name.to_owned(),
        text,
    }
}

fn unknown(key: &str) -> Problem {
    let near = SETTINGS
        .iter()
        .map(|s| if key.contains('.') { s.path } else { s.name })
        .min_by_key(|name| distance(name, key));
    let text = match near {
        Some(name) if distance(name, key) <= 3 => format!("is no setting; did you mean {name}?"),
        _ => "is no setting".to_owned(),
    };
    Problem {
        name: key.to_owned(),
        text,
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(x != y))
                .min(above + 1)
                .min(row[j] + 1);
            diagonal = above;
        }
    }
    row[b.len()]
}

fn file_name(path: &Path) -> String {
    path.display().to_string()
}
