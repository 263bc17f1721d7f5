//! The client, with the test as its runner.

use super::*;
use standfast_kernel::channel;

fn script(word: &str) -> Script {
    Script { words: vec![word.as_bytes().to_vec()], identity: None }
}

fn connected(client: &mut RunnerClient) -> Channel {
    let (ours, theirs) = channel::pair().unwrap();
    client.connect(theirs);
    Channel::new(ours).unwrap()
}

fn heard(runner: &Channel) -> Option<ToRunner> {
    match runner.try_receive().unwrap()? {
        Incoming::Message(message) => Some(decode(&message.bytes).unwrap()),
        Incoming::Closed => panic!("closed"),
    }
}

fn answer(runner: &Channel, message: &FromRunner) {
    runner.send(&encode(message).unwrap(), &[]).unwrap();
}

async fn next(client: &mut RunnerClient) -> Option<Answer> {
    tokio::time::timeout(Duration::from_millis(100), client.next()).await.ok()
}

fn id_of(message: Option<ToRunner>) -> RequestId {
    match message.unwrap() {
        ToRunner::Run(request) => request.id,
        ToRunner::Notify(notification) => notification.id,
        ToRunner::Watch(_) => panic!("a watch"),
    }
}

#[tokio::test]
async fn what_is_asked_before_there_is_a_runner_waits_for_it() {
    let mut client = RunnerClient::new();
    let id = client.run(script("/check"), Duration::from_secs(1));
    assert_eq!(next(&mut client).await, None);
    let runner = connected(&mut client);
    assert_eq!(id_of(heard(&runner)), id);
    let outcome = RunOutcome { id, ended: Ended::Exited(3), output: "no".to_owned() };
    answer(&runner, &FromRunner::Ended(outcome.clone()));
    assert_eq!(next(&mut client).await, Some(Answer::Ended(outcome.clone())));
    answer(&runner, &FromRunner::Ended(outcome));
    assert_eq!(next(&mut client).await, None, "an answer to nothing");
}

#[tokio::test]
async fn what_a_dead_runner_did_not_answer_is_said_to_the_next_one_in_order_and_nothing_else() {
    let mut client = RunnerClient::new();
    let first = connected(&mut client);
    client.watch(Vec::new(), Vec::new());
    let check = client.run(script("/check"), Duration::from_secs(1));
    client.notify("VI_1", vec![script("/backup")], None, None);
    client.notify("VI_1", vec![script("/master")], None, None);
    assert!(matches!(heard(&first), Some(ToRunner::Watch(_))));
    assert_eq!(id_of(heard(&first)), check);
    let told = id_of(heard(&first));
    let untold = id_of(heard(&first));
    answer(&first, &FromRunner::Told(told));
    assert_eq!(next(&mut client).await, None);
    drop(first);
    assert_eq!(next(&mut client).await, None);
    let second = connected(&mut client);
    assert!(matches!(heard(&second), Some(ToRunner::Watch(_))));
    assert_eq!([id_of(heard(&second)), id_of(heard(&second))], [check, untold]);
    assert_eq!(heard(&second), None);
}

#[tokio::test]
async fn of_too_many_notifications_the_latest_of_each_subject_stay() {
    let mut client = RunnerClient::new();
    let line = |text: String| Some(Line { text, state: true });
    client.notify("quiet", Vec::new(), line("quiet".to_owned()), None);
    for number in 0..WAITING_NOTIFICATIONS + 100 {
        client.notify("loud", Vec::new(), line(number.to_string()), None);
    }
    assert_eq!(client.unanswered.len(), WAITING_NOTIFICATIONS);
    assert_eq!(client.dropped, 101);
    let runner = connected(&mut client);
    let mut lines = Vec::new();
    loop {
        while let Some(ToRunner::Notify(notification)) = heard(&runner) {
            lines.push(notification.line.unwrap().text);
        }
        if client.unsent.is_empty() {
            break;
        }
        client.flush();
    }
    assert_eq!(lines.first().unwrap(), "quiet");
    assert_eq!(*lines.last().unwrap(), (WAITING_NOTIFICATIONS + 99).to_string());
    assert!(lines[1..].is_sorted_by_key(|line| line.parse::<usize>().unwrap()), "out of order");
}

#[tokio::test]
async fn a_command_that_no_message_holds_is_answered_and_not_lost() {
    let mut client = RunnerClient::new();
    let id = client.run(script(&"x".repeat(MAX_MESSAGE_BYTES)), Duration::from_secs(1));
    match next(&mut client).await {
        Some(Answer::Ended(RunOutcome { id: of, ended: Ended::NotRun(_), .. })) => assert_eq!(of, id),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_runner_that_does_not_read_costs_the_worker_half_a_second_at_its_end_and_nothing_before() {
    let mut client = RunnerClient::new();
    let _deaf = connected(&mut client);
    let before = standfast_kernel::timer::boottime();
    for number in 0..WAITING_NOTIFICATIONS {
        client.notify("VI_1", vec![script(&format!("/{number}"))], None, None);
    }
    assert!(!client.unsent.is_empty(), "the channel has no limit");
    let asked = standfast_kernel::timer::boottime();
    client.last_words().await;
    let end = standfast_kernel::timer::boottime();
    assert!(end.since(asked) >= LAST_WORDS && end.since(asked) < LAST_WORDS * 4, "{:?}", end.since(asked));
    assert!(asked.since(before) < Duration::from_secs(5));
}
