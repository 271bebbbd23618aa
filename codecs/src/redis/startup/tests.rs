use super::super::recording::{exchanges, recorded};
use super::super::value::{Value, value};
use super::*;

/// The arguments of a request behind the command's name.
fn args(request: &[u8]) -> Vec<Vec<u8>> {
    let (request, _) = value(request).unwrap().unwrap();
    let elements = request.elements().unwrap();
    let args = elements[1..]
        .iter()
        .map(|arg| arg.bytes().unwrap().to_vec());
    args.collect()
}

#[test]
fn what_the_server_refuses_is_refused_in_its_words() {
    let mut read = 0;
    for (request, reply) in exchanges(recorded!("login")) {
        let args = args(&request);
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let refusal = if request.windows(5).any(|name| name == b"HELLO") {
            Hello::read(&args).err()
        } else if request.starts_with(b"*1\r\n$4\r\nPING") {
            continue;
        } else {
            Auth::read(&args).err()
        };
        read += 1;
        let Some(refusal) = refusal else {
            // By its password, or for want of one.
            let ok = [&b"+OK"[..], b"-WRONGPASS", b"-NOAUTH", b"*14", b"%7"];
            assert!(ok.iter().any(|start| reply.starts_with(start)));
            continue;
        };
        let mut said = Vec::new();
        refusal.encode(&mut said);
        assert_eq!(
            said.escape_ascii().to_string(),
            reply.escape_ascii().to_string()
        );
    }
    assert_eq!(read, 15);
}

#[test]
fn hello_says_who_and_how() {
    let args: [&[u8]; 6] = [b"3", b"auth", b"myapp__acme", b"secret", b"SetName", b"app"];
    let hello = Hello::read(&args).unwrap();
    let expected = Hello {
        protocol: Some(Protocol::Resp3),
        auth: Some((b"myapp__acme", b"secret")),
        name: Some(b"app"),
    };
    assert_eq!(hello, expected);
    assert_eq!(Hello::read(&[]), Ok(Hello::default()));
    assert!(Hello::read(&[b"2", b"AUTH", b"SETNAME", b"x", b"SETNAME", b""]).is_ok());
    assert!(Hello::read(&[b"2", b"SETNAME"]).is_err());
    assert!(Hello::read(&[b"2", b"SETNAME", b"a\nb"]).is_err());
    // A user with blanks in its name is no user, but that is not said here.
    assert!(Hello::read(&[b"2", b"AUTH", b"a b", b""]).is_ok());
}

#[test]
fn a_password_is_not_printed() {
    let hello = Hello::read(&[b"3", b"AUTH", b"app", b"secret"]).unwrap();
    let auth = Auth::read(&[b"app", b"secret"]).unwrap();
    for text in [format!("{hello:?}"), format!("{auth:?}")] {
        assert!(text.contains("app") && !text.contains("secret"), "{text}");
    }
    let alone = Auth::read(&[b"secret"]).unwrap();
    assert_eq!((alone.user, alone.password), (None, &b"secret"[..]));
}

#[test]
fn the_welcome_is_the_servers() {
    for (request, reply) in exchanges(recorded!("login")) {
        let Some((Value::Array(_) | Value::Map(_), _)) = value(&reply).unwrap() else {
            continue;
        };
        let (read, _) = value(&reply).unwrap().unwrap();
        let id = read.pairs().find(|(name, _)| name.bytes() == Some(b"id"));
        let welcome = Welcome {
            server: "redis",
            version: "7.0.15",
            id: id.unwrap().1.integer().unwrap(),
        };
        let protocol = if reply.starts_with(b"%") {
            Protocol::Resp3
        } else {
            Protocol::Resp2
        };
        let mut written = Vec::new();
        welcome.encode(protocol, &mut written);
        assert_eq!(written, reply, "{}", request.escape_ascii());
    }
}
