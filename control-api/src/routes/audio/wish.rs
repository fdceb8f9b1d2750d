//! What is asked for, and which file or rendition that is.

use serde::Deserialize;
use sidetone_rendition::{Channel, Format as Packing, Rendition};
use sidetone_wire::Party;
use utoipa::{IntoParams, ToSchema};

use super::Refusal;
use crate::store::StoredRecording;

/// The container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Opus, as we record.
    Ogg,
    /// 16 bit PCM; at 48 kHz where we make it.
    Wav,
    /// As some vendors record; not made from anything else.
    Mp3,
}

impl Format {
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Ogg => "audio/ogg",
            Self::Wav => "audio/wav",
            Self::Mp3 => "audio/mpeg",
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ogg => "ogg",
            Self::Wav => "wav",
            Self::Mp3 => "mp3",
        }
    }

    fn of(text: &str) -> Option<Self> {
        [Self::Ogg, Self::Wav, Self::Mp3]
            .into_iter()
            .find(|format| format.as_str() == text)
    }
}

/// Whether the browser is to keep it instead of playing it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
enum Download {
    #[default]
    #[serde(rename = "0")]
    No,
    #[serde(rename = "1")]
    Yes,
}

/// The channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum Channels {
    #[default]
    Both,
    Mix,
    Of(Party),
    Index(u8),
}

impl TryFrom<String> for Channels {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Ok(match text.as_str() {
            "both" => Self::Both,
            "mix" => Self::Mix,
            "customer" => Self::Of(Party::Customer),
            "agent" => Self::Of(Party::Agent),
            number => Self::Index(
                number
                    .parse()
                    .map_err(|_| "must be both, customer, agent, mix or a channel's index")?,
            ),
        })
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wish {
    /// `ogg`, `wav`, or `mp3` where the vendor recorded that. Default: as it is stored.
    #[serde(default)]
    #[param(inline)]
    format: Option<Format>,
    /// `both` (default: customer left, agent right), `customer`, `agent`, `mix` (all in one), or
    /// the index of a channel.
    #[serde(default)]
    #[param(value_type = String)]
    channel: Channels,
    /// `1` has the browser save it, `0` (default) play it.
    #[serde(default)]
    #[param(inline)]
    download: Download,
}

/// Which bytes the wish is granted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Granted {
    /// A file of the store as it is.
    File {
        object: String,
        bytes: u64,
        sha256: String,
    },
    /// What is made of the files.
    Made(Rendition),
}

impl Wish {
    pub(super) fn is_download(&self) -> bool {
        self.download == Download::Yes
    }

    /// What it is packed in.
    pub(super) fn format(&self, of: &StoredRecording) -> Result<Format, Refusal> {
        match self.format {
            Some(format) => Ok(format),
            None => Format::of(&of.recording.format).ok_or(Refusal::Format),
        }
    }

    /// Which of its channels, in a word for its file's name; empty for both.
    pub(super) fn channel_word(&self) -> String {
        match self.channel {
            Channels::Both => String::new(),
            Channels::Mix => "-mix".to_owned(),
            Channels::Of(party) => format!("-{party}"),
            Channels::Index(index) => format!("-{index}"),
        }
    }

    /// What it is granted with.
    pub(super) fn granted(&self, of: &StoredRecording) -> Result<Granted, Refusal> {
        let format = self.format(of)?;
        let stored = Format::of(&of.recording.format);
        let channel = self.channel(of)?;
        if stored == Some(format)
            && let Some(file) = file(of, channel)
        {
            return Ok(file);
        }
        let packing = match (stored, format) {
            (Some(Format::Ogg), Format::Ogg) => Packing::Ogg,
            (Some(Format::Ogg), Format::Wav) => Packing::Wav,
            _ => return Err(Refusal::Format),
        };
        // one channel alone has no left and right
        let alone = channel == Channel::Both && of.recording.channels.len() < 2;
        let channel = if alone { Channel::Mix } else { channel };
        Ok(Granted::Made(Rendition {
            format: packing,
            channel,
        }))
    }

    fn channel(&self, of: &StoredRecording) -> Result<Channel, Refusal> {
        let channels = &of.recording.channels;
        let found = match self.channel {
            Channels::Both => return Ok(Channel::Both),
            Channels::Mix => return Ok(Channel::Mix),
            Channels::Of(party) => channels.iter().find(|channel| channel.party == party),
            Channels::Index(index) => channels.iter().find(|channel| channel.index == index),
        };
        let found = found.ok_or(Refusal::NoChannel)?;
        Ok(Channel::Index(found.index))
    }
}

/// The file that holds exactly these channels, if one does.
fn file(of: &StoredRecording, channel: Channel) -> Option<Granted> {
    let alone = |index| of.extra.iter().find(|file| file.channel == index);
    let extra = |file: &sidetone_wire::MediaFile| Granted::File {
        object: file.object.clone(),
        bytes: file.bytes,
        sha256: file.sha256.clone(),
    };
    let main = || Granted::File {
        object: of.object.clone(),
        bytes: of.recording.bytes,
        sha256: of.recording.sha256.clone(),
    };
    let channels = of.recording.channels.len();
    match channel {
        // a right channel of its own: the main file holds the left one alone
        Channel::Both => alone(1).is_none().then(main),
        Channel::Mix => (channels == 1).then(main),
        Channel::Index(0) => (channels == 1 || alone(1).is_some()).then(main),
        Channel::Index(index) => alone(index).map(extra),
    }
}
