//! Waiting for a condition, with a deadline and with words.

use std::time::Duration;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `condition` holds.
///
/// # Panics
/// With `what` when it does not within `deadline`.
pub async fn wait_for<F, Fut>(what: &str, deadline: Duration, mut condition: F)
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    wait_some(what, deadline, || {
        let holds = condition();
        async move { holds.await.then_some(()) }
    })
    .await;
}

/// Waits until `look` finds something, and returns it.
///
/// # Panics
/// With `what` when it does not within `deadline`.
pub async fn wait_some<T, F, Fut>(what: &str, deadline: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let search = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let found = tokio::time::timeout(deadline, search).await;
    found.unwrap_or_else(|_| panic!("waited {deadline:?} in vain for: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn it_returns_as_soon_as_the_condition_holds() {
        let looks = AtomicU32::new(0);
        wait_for("the third look", Duration::from_secs(10), || async {
            looks.fetch_add(1, Ordering::Relaxed) == 2
        })
        .await;
        assert_eq!(looks.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for: a pig that flies")]
    async fn it_fails_with_what_was_waited_for() {
        wait_for("a pig that flies", Duration::from_millis(50), || async {
            false
        })
        .await;
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for: an answer")]
    async fn a_condition_that_hangs_meets_the_deadline_too() {
        wait_for("an answer", Duration::from_millis(50), std::future::pending).await;
    }
}
