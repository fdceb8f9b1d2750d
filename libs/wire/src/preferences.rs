//! How somebody likes the dashboard.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::CallId;
use crate::call::words;

words! {
    /// How live calls are laid out.
    Layout {
        /// One row a call.
        List = "list",
        /// One tile a call.
        Tiles = "tiles",
        /// One call large, the others beside it.
        Focus = "focus",
    }
    /// Colours.
    Theme {
        /// As the system has it.
        System = "system",
        /// Dark on light.
        Light = "light",
        /// Light on dark.
        Dark = "dark",
    }
}

/// One's own preferences; what is missing is the default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Preferences {
    /// Calls that stay on top, in order: at most 64.
    pub pinned_tiles: Vec<CallId>,
    /// How live calls are laid out.
    pub layout: Layout,
    /// Colours.
    pub theme: Theme,
    /// What the dashboard keeps for itself, such as saved filters and columns: at most 64 keys of
    /// up to 64 characters, 32 KiB as JSON in all.
    #[ts(type = "Record<string, unknown>")]
    #[schema(value_type = Object)]
    pub views: serde_json::Map<String, serde_json::Value>,
}

impl Default for Preferences {
    fn default() -> Self {
        Self {
            pinned_tiles: Vec::new(),
            layout: Layout::List,
            theme: Theme::System,
            views: serde_json::Map::new(),
        }
    }
}
