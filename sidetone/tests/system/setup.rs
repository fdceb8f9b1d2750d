//! Settings that are wrong.

use sidetone_testkit::LivekitServer;

use crate::office;

const OTHER_SECRET: &str = "another_secret_of_at_least_32_characters";

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_named_with_the_answer_until_the_server_takes_it() {
    let _machine = office::shared().await;
    let mut livekit = LivekitServer::start().await.unwrap();
    let mut system = office::start_unready(&livekit, OTHER_SECRET);
    let text = system
        .readyz("the setting's name", |status, text| {
            status == 503 && text.contains("LIVEKIT_API_SECRET")
        })
        .await;
    println!("{}", text.trim());
    assert!(text.contains("401"), "what was answered: {text}");
    assert!(!text.contains(OTHER_SECRET), "{text}");
    assert!(system.is_running());
    // everything else is served meanwhile
    let user = system.login().await;
    assert_eq!(user.read("/api/calls/active/count").await["count"], 0);

    livekit.restart_with_secret(OTHER_SECRET).await.unwrap();
    system.ready().await;
    let _customer = office::customer(&livekit, "call-1").await;
    user.call_in("call-1").await;
}
