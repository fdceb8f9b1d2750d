//! An event on its way to clients: written once, whoever and however many get it.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tracing::error;

use crate::numbers::{self, Viewer};

/// An event's name and data as JSON. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Frame(Arc<Written>);

#[derive(Debug)]
struct Written {
    event: Cow<'static, str>,
    data: Box<RawValue>,
    /// As the plain WebSocket sends it.
    envelope: OnceLock<Utf8Bytes>,
}

impl Frame {
    fn new(event: Cow<'static, str>, data: Box<RawValue>) -> Self {
        Self(Arc::new(Written {
            event,
            data,
            envelope: OnceLock::new(),
        }))
    }

    pub(super) fn event(&self) -> &str {
        &self.0.event
    }

    pub(super) fn data(&self) -> &RawValue {
        &self.0.data
    }

    /// `{"event":…,"data":…}`
    pub(super) fn envelope(&self) -> Utf8Bytes {
        let Written {
            event,
            data,
            envelope,
        } = &*self.0;
        envelope
            .get_or_init(|| {
                let event = Value::from(event.as_ref());
                format!("{{\"event\":{event},\"data\":{}}}", data.get()).into()
            })
            .clone()
    }

    /// What it costs to keep, about.
    pub(super) fn bytes(&self) -> usize {
        self.0.event.len() + self.0.data.get().len() + 32
    }
}

/// An event for many clients, some of whom may not see the numbers in it.
#[derive(Debug)]
pub(super) struct Message {
    whole: Frame,
    /// Without numbers, and the agents whose calls' numbers it lacks.
    hidden: OnceLock<(Frame, HashSet<String>)>,
}

impl Message {
    /// `None` when it cannot be written, which is logged.
    pub(super) fn new<T: Serialize>(event: impl Into<Cow<'static, str>>, data: &T) -> Option<Self> {
        let event = event.into();
        match serde_json::value::to_raw_value(data) {
            Ok(data) => Some(Self::of(event, data)),
            Err(error) => {
                error!(%event, %error, "a message could not be written");
                None
            }
        }
    }

    /// Of data that is JSON already.
    pub(super) fn of(event: Cow<'static, str>, data: Box<RawValue>) -> Self {
        Self {
            whole: Frame::new(event, data),
            hidden: OnceLock::new(),
        }
    }

    pub(super) fn whole(&self) -> &Frame {
        &self.whole
    }

    /// What one client is sent; `None`: it sees every number.
    pub(super) fn seen_by(&self, viewer: Option<&Viewer>) -> Frame {
        let Some(viewer) = viewer else {
            return self.whole.clone();
        };
        let (hidden, agents) = self.hidden.get_or_init(|| self.hide(None));
        if viewer.is_among(agents) {
            self.hide(Some(viewer)).0
        } else {
            hidden.clone()
        }
    }

    fn hide(&self, viewer: Option<&Viewer>) -> (Frame, HashSet<String>) {
        let mut value: Value =
            serde_json::from_str(self.whole.data().get()).expect("it was written as JSON");
        let agents = numbers::hide(&mut value, viewer);
        let data = RawValue::from_string(value.to_string()).expect("a value is JSON");
        (Frame::new(self.whole.0.event.clone(), data), agents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn everybody_sees_the_numbers_they_may_see_and_the_same_text_is_shared() {
        let call = |agent| json!({"direction": "inbound", "from": "+4930123456", "agentId": agent});
        let message = Message::new("calls", &json!([call("ann"), call("bob")])).unwrap();
        let viewer = |name: &str| Viewer {
            id: "0190".to_owned(),
            username: name.to_owned(),
        };
        let text = |frame: Frame| frame.data().get().to_owned();
        let whole = text(message.seen_by(None));
        assert_eq!(whole.matches("+4930123456").count(), 2);
        let anns = text(message.seen_by(Some(&viewer("ann"))));
        assert_eq!(anns.matches("+4930123456").count(), 1);
        let zoe = message.seen_by(Some(&viewer("zoe")));
        let tim = message.seen_by(Some(&viewer("tim")));
        assert!(!zoe.data().get().contains("123456"));
        assert!(Arc::ptr_eq(&zoe.0, &tim.0));
        assert_eq!(
            zoe.envelope().as_str(),
            format!("{{\"event\":\"calls\",\"data\":{}}}", zoe.data().get())
        );
    }
}
