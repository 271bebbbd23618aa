//! What a session may make the proxy hold, and do.

use super::*;

/// Subscribes to the patterns; the server says that it has done so.
async fn psubscribe(client: &mut DuplexStream, server: &mut DuplexStream, patterns: &[Vec<u8>]) {
    let mut sent: Vec<&[u8]> = vec![b"PSUBSCRIBE"];
    sent.extend(patterns.iter().map(Vec::as_slice));
    client.write_all(&request(&sent)).await.unwrap();
    let asked = words("PSUBSCRIBE acme:*");
    let mut heard = vec![0; asked.len()];
    server.read_exact(&mut heard).await.unwrap();
    assert_eq!(heard, asked);
    server
        .write_all(b"*3\r\n$10\r\npsubscribe\r\n$6\r\nacme:*\r\n:1\r\n")
        .await
        .unwrap();
    let mut confirmed = Vec::new();
    for (pattern, count) in patterns.iter().zip(1..) {
        server::array(3, &mut confirmed);
        server::bulk(b"psubscribe", &mut confirmed);
        server::bulk(pattern, &mut confirmed);
        server::integer(count, &mut confirmed);
    }
    expect(client, &confirmed).await;
}

fn message(channel: &str, said: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    server::array(4, &mut out);
    for word in [b"pmessage", &b"acme:*"[..], channel.as_bytes(), said] {
        server::bulk(word, &mut out);
    }
    out
}

async fn ended(pump: JoinHandle<Turn>) -> Turn {
    let turn = timeout(Duration::from_secs(20), pump).await;
    turn.expect("it ends").unwrap()
}

#[test]
fn a_message_is_not_copied_for_ever() {
    run(async {
        let (mut client, mut server, pump) = session(MAY);
        // Each with one more star: in the order of their bytes.
        let stars = (1..=40).map(|stars| [b"n", b"*".repeat(stars).as_slice()].concat());
        let patterns: Vec<Vec<u8>> = stars.collect();
        psubscribe(&mut client, &mut server, &patterns).await;
        // All of them get this.
        server.write_all(&message("acme:n", b"hi")).await.unwrap();
        let mut told = Vec::new();
        for pattern in &patterns {
            server::array(4, &mut told);
            for word in [b"pmessage", &**pattern, b"n", b"hi"] {
                server::bulk(word, &mut told);
            }
        }
        expect(&mut client, &told).await;
        let long = message("acme:n", &vec![b'x'; 1 << 20]);
        server.write_all(&long).await.unwrap();
        let turn = ended(pump).await;
        let broken = matches!(turn, Turn::End(End::ServerBroken(Broken::TooLong)));
        assert!(broken, "{turn:?}");
    });
}

#[test]
fn many_ordinary_patterns_are_matched_and_a_costly_one_is_not() {
    run(async {
        let (mut client, mut server, pump) = session(MAY);
        let mut patterns: Vec<Vec<u8>> = (0..500)
            .map(|n| format!("user:{n:06}:*").into_bytes())
            .collect();
        patterns.push([&b"x*"[..], &b"a".repeat(500), b"b"].concat());
        psubscribe(&mut client, &mut server, &patterns).await;
        server
            .write_all(&message("acme:user:000499:a", b"hi"))
            .await
            .unwrap();
        let told = "*4\r\n$8\r\npmessage\r\n$13\r\nuser:000499:*\r\n$13\r\nuser:000499:a\r\n\
                    $2\r\nhi\r\n";
        expect(&mut client, told.as_bytes()).await;
        let channel = format!("acme:x{}", "a".repeat(20_000));
        server.write_all(&message(&channel, b"hi")).await.unwrap();
        let turn = ended(pump).await;
        let broken = matches!(turn, Turn::End(End::ServerBroken(Broken::Patterns)));
        assert!(broken, "{turn:?}");
    });
}

#[test]
fn patterns_that_are_too_long_are_refused() {
    run(async {
        let (mut client, mut server, _pump) = session(MAY);
        let long = b"p".repeat(1_025);
        client
            .write_all(&request(&[b"PSUBSCRIBE", b"a", &long]))
            .await
            .unwrap();
        expect(&mut client, b"-ERR a pattern may have 1024 bytes\r\n").await;
        psubscribe(&mut client, &mut server, &[b"p".repeat(1_024)]).await;
    });
}

#[test]
fn names_of_subscriptions_are_bounded_together() {
    const NAME_BYTES: usize = 10_000;
    const FIT: usize = (4 << 20) / NAME_BYTES;
    run(async {
        let (mut client, mut server, _pump) = session(MAY);
        let name = |n: usize| format!("{n:0NAME_BYTES$}").into_bytes();
        let said = |kind: &str, n: usize, count: usize| {
            let mut out = Vec::new();
            server::array(3, &mut out);
            server::bulk(kind.as_bytes(), &mut out);
            server::bulk(&name(n), &mut out);
            server::integer(i64::try_from(count).unwrap(), &mut out);
            out
        };
        // What the client asks for goes to the server, which says that it is done.
        let mut told = async |kind: &str, n: usize, count: usize, client: &mut DuplexStream| {
            let command = kind.to_uppercase();
            let sent = request(&[command.as_bytes(), &name(n)]);
            client.write_all(&sent).await.unwrap();
            let asked = request(&[command.as_bytes(), &[b"acme:", &*name(n)].concat()]);
            let mut heard = vec![0; asked.len()];
            server.read_exact(&mut heard).await.unwrap();
            assert!(heard == asked);
            server.write_all(&said(kind, n, count)).await.unwrap();
            expect(client, &said(kind, n, count)).await;
        };
        for n in 0..FIT {
            told("subscribe", n, n + 1, &mut client).await;
        }
        let more = request(&[b"SUBSCRIBE", &name(FIT)]);
        client.write_all(&more).await.unwrap();
        expect(&mut client, b"-ERR too many subscriptions\r\n").await;
        told("unsubscribe", 7, FIT - 1, &mut client).await;
        told("subscribe", FIT, FIT, &mut client).await;
    });
}

#[test]
fn a_transaction_keeps_no_more_than_there_is_room_for() {
    run(async {
        let (client, server, _pump) = session(MAY);
        let _server = answering(server);
        let (mut from, mut to) = tokio::io::split(client);
        let _sending = spawn_local(async move {
            to.write_all(b"MULTI\r\n").await.unwrap();
            let key = b"k".repeat(10_000);
            for _ in 0..1_800 {
                let sent = request(&[b"EVAL", b"return 1", b"1", &key]);
                to.write_all(&sent).await.unwrap();
            }
            to.write_all(b"EXEC\r\nGET a\r\n").await.unwrap();
            to
        });
        let mut read = Vec::new();
        let last = bulk("GET acme:a");
        while !read.ends_with(last.as_bytes()) {
            let reading = timeout(Duration::from_secs(20), from.read_buf(&mut read));
            assert!(reading.await.expect("it comes in time").unwrap() > 0);
        }
        let read = String::from_utf8(read).unwrap();
        let refused = read.matches("-ERR the transaction takes too much room until EXEC\r\n");
        let (refused, queued) = (refused.count(), read.matches("+QUEUED\r\n").count());
        assert_eq!(refused + queued, 1_800);
        assert!((1_600..1_700).contains(&queued), "{queued}");
        assert!(read.contains("-EXECABORT"));
    });
}
