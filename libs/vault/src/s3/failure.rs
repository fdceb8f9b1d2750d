//! What a request that failed means for whoever asked.

use std::error::Error;
use std::time::Duration;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::S3;
use crate::store::StoreError;

/// Characters of a text from elsewhere that an error shows at most.
const TEXT_MAX: usize = 300;

/// Codes of a 400 that say that the bytes were damaged or delayed on their way.
const DAMAGED_ON_THE_WAY: [&str; 8] = [
    "BadDigest",
    "IncompleteBody",
    "InvalidDigest",
    "MissingContentLength",
    "RequestTimeout",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
    "InvalidPart",
];

/// A request that failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The server's status; `None` when it did not answer.
    pub(super) status: Option<u16>,
    /// The server's code, if it gave one.
    pub(super) code: String,
    /// For the operator: what was asked, where, and what went wrong.
    text: String,
}

impl Failure {
    /// Whether the server knows no such request or header.
    pub(super) fn is_not_implemented(&self) -> bool {
        self.status == Some(501) || self.code == "NotImplemented"
    }

    /// Whether the object is there already, which a condition forbade.
    pub(super) fn is_taken(&self) -> bool {
        self.status == Some(412)
    }

    /// Whether the object is not there, in a bucket that is.
    pub(super) fn is_absent(&self) -> bool {
        self.status == Some(404) && self.code != "NoSuchBucket"
    }
}

impl Failure {
    /// Whether it may pass without anybody's doing.
    fn may_pass(&self) -> bool {
        match self.status {
            // an answer that began well may turn out to be an error
            None | Some(..300 | 408 | 409 | 425 | 429 | 500 | 502..) => true,
            Some(400) => DAMAGED_ON_THE_WAY.contains(&&*self.code),
            Some(404) => self.code == "NoSuchUpload",
            Some(_) => false,
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        if failure.may_pass() {
            return Self::Temporary(failure.text);
        }
        if failure.is_absent() {
            return Self::NotFound;
        }
        if failure.is_taken() {
            return Self::Exists;
        }
        let advice = match (failure.status, failure.code.as_str()) {
            (Some(404), _) => "there is no such bucket: see S3_BUCKET and S3_ENDPOINT",
            (Some(301 | 307 | 308), _) | (_, "AuthorizationHeaderMalformed") => {
                "the bucket is in another region: see AWS_REGION and S3_ENDPOINT"
            }
            (_, "RequestTimeTooSkewed") => "this machine's clock is wrong",
            (Some(401 | 403), _) => {
                "check the credentials and what they may do in S3_BUCKET and S3_PREFIX"
            }
            (Some(501), _) => "the server does not know this request",
            (_, _) => "see S3_BUCKET, S3_ENDPOINT and S3_SSE",
        };
        Self::Refused(format!("{}; {advice}", failure.text))
    }
}

impl S3 {
    /// Sends one request that moves so many bytes, and waits no longer for its answer than that
    /// may take.
    pub(super) async fn send<T, E>(
        &self,
        request: &str,
        bytes: u64,
        sending: impl Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let limit = self.inner.settings.patience.for_bytes(bytes);
        // the client's futures are large
        match tokio::time::timeout(limit, Box::pin(sending)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failure(request, &error)),
            Err(_) => Err(self.late(request, limit)),
        }
    }

    fn late(&self, request: &str, limit: Duration) -> Failure {
        let place = self.place();
        Failure {
            status: None,
            code: String::new(),
            text: format!("{request} in {place}: no answer within {limit:.1?}"),
        }
    }

    fn failure<E>(&self, request: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let status = error.raw_response().map(|answer| answer.status().as_u16());
        let code = shortened(error.code().unwrap_or_default());
        let what = match (status, error.as_service_error()) {
            // the server's own words are not shown: they may repeat what was sent
            (Some(status), Some(_)) => format!("{status} {code}"),
            (Some(status), None) => shortened(&format!("{status}, {}", chain(error))),
            (None, _) => {
                let why = error.source().map_or_else(|| error.to_string(), chain);
                shortened(&unreached(&why))
            }
        };
        let place = self.place();
        Failure {
            status,
            code,
            text: format!("{request} in {place}: {}", what.trim()),
        }
    }
}

/// Why nothing was sent or nothing came.
fn unreached(why: &str) -> String {
    if why.contains("credentials") {
        // an identity service that is away is the other cause, so this may pass
        return format!(
            "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the machine \
             a role ({why})"
        );
    }
    why.to_owned()
}

/// An error and what caused it, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn shortened(text: &str) -> String {
    let printable = text.chars().filter(|c| !c.is_control());
    printable.take(TEXT_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, code: &str) -> StoreError {
        let failure = Failure {
            status: (status > 0).then_some(status),
            code: code.to_owned(),
            text: "PutObject".to_owned(),
        };
        failure.into()
    }

    #[test]
    fn what_passes_by_itself_is_worth_another_try() {
        for (status, code) in [
            (0, ""),
            (200, "InternalError"),
            (400, "BadDigest"),
            (400, "RequestTimeout"),
            (404, "NoSuchUpload"),
            (409, "ConditionalRequestConflict"),
            (429, "TooManyRequests"),
            (500, "InternalError"),
            (502, ""),
            (503, "SlowDown"),
            (504, ""),
        ] {
            assert!(meaning(status, code).is_temporary(), "{status} {code}");
        }
    }

    #[test]
    fn what_somebody_must_change_says_what() {
        for (status, code, advice) in [
            (404, "NoSuchBucket", "S3_BUCKET"),
            (403, "AccessDenied", "credentials"),
            (403, "InvalidAccessKeyId", "credentials"),
            (403, "RequestTimeTooSkewed", "clock"),
            (301, "PermanentRedirect", "region"),
            (400, "AuthorizationHeaderMalformed", "region"),
            (400, "InvalidArgument", "S3_SSE"),
            (501, "NotImplemented", "does not know"),
        ] {
            let StoreError::Refused(text) = meaning(status, code) else {
                panic!("{status} {code}");
            };
            assert!(text.contains(advice), "{text}");
        }
    }

    #[test]
    fn what_is_there_and_what_is_not_are_no_faults() {
        assert_eq!(meaning(404, "NoSuchKey"), StoreError::NotFound);
        assert_eq!(meaning(404, "NotFound"), StoreError::NotFound);
        assert_eq!(meaning(412, "PreconditionFailed"), StoreError::Exists);
    }
}
