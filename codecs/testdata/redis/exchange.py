#!/usr/bin/env python3
"""Records exchanges with a server, for the tests of tenantsdb-codecs.

    exchange.py PORT PASSWORD     a server on 127.0.0.1, of which nothing is kept, started with
                                  --enable-debug-command yes --notify-keyspace-events KA

Beside this script: NAME.hex, a line for each request (>) and for what came back (<). Where keys
are, `=` is what came back when the same was asked without a prefix, on an empty server too; the
line before it says where the keys are.
"""
import pathlib
import socket
import sys
import time

HERE = pathlib.Path(__file__).parent
PORT, PASSWORD = int(sys.argv[1]), sys.argv[2]
PREFIX = "acme:"


def request(*words):
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


class Connection:
    def __init__(self, protocol=2, login=True):
        self.socket = socket.create_connection(("127.0.0.1", PORT))
        if login:
            self.ask(request("HELLO", protocol, "AUTH", "default", PASSWORD))

    def ask(self, raw, wait=0.05):
        """Everything that comes until nothing does for a while."""
        self.socket.sendall(raw)
        return self.take(wait)

    def take(self, wait=0.05):
        self.socket.settimeout(wait)
        got = b""
        try:
            while piece := self.socket.recv(1 << 20):
                got += piece
        except (TimeoutError, ConnectionResetError):
            pass
        return got


class File:
    def __init__(self, name, about):
        version = Connection().ask(request("INFO", "server"))
        version = version.split(b"redis_version:")[1].split(b"\r\n")[0].decode()
        self.path = HERE / f"{name}.hex"
        self.lines = [f"# {about}; Redis {version}"]

    def add(self, mark, raw):
        self.lines.append(f"{mark} {raw.hex() if isinstance(raw, bytes) else raw}")

    def write(self):
        self.path.write_text("\n".join(self.lines) + "\n")


def login():
    file = File("login", "HELLO and AUTH; password `secret` of user default")
    for words in [("PING",), ("HELLO", 3), ("HELLO", 4), ("HELLO", "x"), ("HELLO", 3, "AUTH", "default"),
                  ("HELLO", 3, "AUTH", "default", "wrong"), ("AUTH", "default", "wrong"), ("AUTH",),
                  ("AUTH", "a", "b", "c"), ("AUTH", "default", "secret"), ("HELLO",),
                  ("HELLO", 3, "SETNAME", "a b"), ("HELLO", 3, "AUTH", "default", "secret", "SETNAME", "app"),
                  ("HELLO", 2, "NAME", "x"), ("HELLO", "+3"), ("HELLO", 2)]:
        if words[0] == "PING":
            connection = Connection(login=False)
        file.add(">", request(*words))
        file.add("<", connection.ask(request(*words)))
    file.write()


def types():
    kinds = ["string", "integer", "double", "null", "array", "set", "map", "attrib", "verbatim", "true", "false",
             "bignum", "push"]
    for protocol in (2, 3):
        file = File(f"types-resp{protocol}", "DEBUG PROTOCOL, and replies of scripts")
        connection = Connection(protocol)
        for kind in kinds:
            file.add(">", request("DEBUG", "PROTOCOL", kind))
            file.add("<", connection.ask(request("DEBUG", "PROTOCOL", kind)))
        for script in ["return {1, {2, {3, 'x', {err='ERR e'}, {ok='fine'}}}, false, true}",
                       "redis.setresp(3); return {{double=1.5}, {map={a=1}}, {set={x=true}}, "
                       "{big_number='12345678901234567890'}}",
                       "return redis.error_reply('my \"acme:x\" error')", "return ''", "return nil"]:
            file.add(">", request("EVAL", script, 0))
            file.add("<", connection.ask(request("EVAL", script, 0)))
        for words in [("NOSUCH", "acme:x"), ("MULTI",), ("GET", "x"), ("LPOP", "x", 3), ("EXEC",), ("GET", "x"),
                      ("BLPOP", "x", "0.01"), ("CONFIG", "GET", "maxmemory"), ("COMMAND", "INFO", "get", "nosuch")]:
            file.add(">", request(*words))
            file.add("<", connection.ask(request(*words), 0.2))
        file.write()


def keys():
    """Each with the shape of its reply, {} where the prefix is."""
    asked = [
        ("Plain", "SET {}a 1"), ("Key", "RANDOMKEY"), ("Plain", "MSET {}a 1 {}b 2"), ("Keys", "KEYS *"),
        ("Plain", "DEL {}a {}b"), ("Key", "RANDOMKEY"),
        ("Plain", "RPUSH {}l a b c d e"), ("FirstIsKey", "BLPOP {}none {}l 0"), ("FirstIsKey", "BRPOP {}l 0"),
        ("FirstIsKey", "BLPOP {}none 0.01"),
        ("FirstIsKey", "LMPOP 2 {}none {}l LEFT COUNT 2"), ("FirstIsKey", "BLMPOP 0 1 {}l LEFT"),
        ("FirstIsKey", "LMPOP 1 {}none LEFT"),
        ("Plain", "ZADD {}z 1 a 2 b 3 c 4 d"), ("FirstIsKey", "BZPOPMIN {}z 0"), ("FirstIsKey", "ZMPOP 1 {}z MAX"),
        ("FirstIsKey", "BZMPOP 0 1 {}z MIN COUNT 2"),
        ("Plain", "XADD {}x 1-1 f v g w"), ("Plain", "XADD {}y 1-2 f acme:v"), ("Streams", "XREAD STREAMS {}x {}y 0 0"),
        ("Streams", "XREAD STREAMS {}x $"), ("Plain", "XGROUP CREATE {}x g 0"),
        ("Streams", "XREADGROUP GROUP g c STREAMS {}x >"), ("Plain", "XGROUP CREATE {}x g 0"),
        ("Plain", "LPUSH {}z 1"), ("Plain", "XREADGROUP GROUP no c STREAMS {}x >"),
        ("Plain", "XREADGROUP GROUP g c STREAMS {}none >"),
        ("Plain", "XINFO STREAM {}none"), ("Plain", "OBJECT HELP"),
    ]
    channels = [("Plain", "SUBSCRIBE {}c {}d __keyspace@0__:{}k"), ("Plain", "PUBLISH {}c x"),
                ("Channels", "PUBSUB CHANNELS"), ("ChannelCounts", "PUBSUB NUMSUB {}c {}none __keyspace@0__:{}k")]
    scripts = [("Script {}a {}b", "EVAL return{KEYS[1],{KEYS[2],ARGV[1],{ok='x'},'axe'}} 2 {}a {}b acme:c"),
               ("Script {}a", "EVAL return(KEYS[1]) 1 {}a"),
               ("Script {}a", "EVAL return(redis.error_reply(\"E'\"..KEYS[1]..\"'\")) 1 {}a")]
    for protocol in (2, 3):
        file = File(f"keys-resp{protocol}", "keys and channels in replies")
        replies = {}
        for prefix in (PREFIX, ""):
            connection, subscriber = Connection(protocol), Connection(protocol)
            connection.ask(request("FLUSHALL"))
            for place, (shape, words) in enumerate(asked + channels + scripts):
                words = [word.replace("{}", prefix) for word in words.split()]
                used = subscriber if words[0] == "SUBSCRIBE" else connection
                wait = 0.3 if "0.01" in words else 0.05
                got = used.ask(request(*words), wait)
                if words[0] == "KEYS" or words[:2] == ["PUBSUB", "CHANNELS"]:
                    # In an order that is the same for both.
                    head, *rest = got.split(b"\r\n$")
                    rest = [piece.removesuffix(b"\r\n") for piece in rest]
                    rest.sort(key=lambda piece: piece.replace(PREFIX.encode(), b"").split(b"\r\n")[1])
                    got = head + b"".join(b"\r\n$" + r for r in rest) + b"\r\n"
                if words[0] != "SUBSCRIBE":
                    replies.setdefault((shape, place), []).append((request(*words), got))
            queued = ["MULTI", "SET {}k v", "LPUSH {}q acme:w", "LPOP {}none", "BLPOP {}q 0", "INCR {}k",
                      "XREAD STREAMS {}none 0", "EXEC"]
            for words in queued:
                got = connection.ask(request(*[word.replace("{}", prefix) for word in words.split()]))
            shape = "Exec Plain Plain Plain FirstIsKey Plain Streams"
            replies.setdefault((shape, "EXEC"), []).append((request("EXEC"), got))
            subscriber.socket.close()
            time.sleep(0.1)
        for (shape, _), [(asked_with, with_prefix), (_, without)] in replies.items():
            file.add("#", "shape " + shape.replace("{}", PREFIX))
            file.add(">", asked_with)
            file.add("<", with_prefix)
            file.add("=", without)
        file.write()


def pushes():
    for protocol in (2, 3):
        file = File(f"pushes-resp{protocol}", "what comes unasked")
        connection, other = Connection(protocol), Connection()
        other.ask(request("FLUSHALL"))

        def said(*words):
            file.add(">", request(*words))
            file.add("<", connection.ask(request(*words)))

        if protocol == 3:
            said("CLIENT", "TRACKING", "ON")
            said("GET", "acme:t")
        said("SUBSCRIBE", "acme:c", "__keyspace@0__:acme:k")
        said("PSUBSCRIBE", "acme:*")
        said("SSUBSCRIBE", "acme:s")
        for words in [("PUBLISH", "acme:c", "hello"), ("SPUBLISH", "acme:s", "x\r\ny"), ("SET", "acme:k", "1"),
                      ("SET", "acme:t", "1"), ("FLUSHALL",)]:
            other.ask(request(*words))
            if got := connection.take():
                file.add("<", got)
        said("UNSUBSCRIBE")
        said("PUNSUBSCRIBE")
        said("SUNSUBSCRIBE")
        said("UNSUBSCRIBE")
        said("PING")
        file.write()


def requests():
    file = File("inline", "inline requests: a script that gives its arguments back")
    connection = Connection()
    for words in [b"", b" ", b"a b", b"  a\t b  ", b"\"a b\" 'c d'", rb'"\x41\n\r\t\b\a\q\"\\"', rb"'\'\n'",
                  b"ab\"cd\"", b"ab'cd'", rb'"\xzz\x4"', b"\"\" ''", b"\x0b\x0c a", b"a\x0bb", b"\xff\x80", b"\"a\"b",
                  b"'a'b", b"\"a", b"'a", b"a\"", rb'"a\"', b"\"a\"\tb", b"\"a\"\x0bb", b"a\rb"]:
        for end in (b"\r\n", b"\n"):
            line = b"EVAL \"return ARGV\" 0 " + words + end
            file.add(">", line)
            file.add("<", connection.ask(line))
            if file.lines[-1].startswith("< 2d"):
                connection = Connection()
    file.write()
    file = File("refused", "requests that can never become one, before and after the login")
    for login in (False, True):
        for raw in [b"*11\r\n", b"*1048577\r\n", b"*2147483648\r\n", b"*a\r\n", b"*\r\n", b"*+1\r\n", b"*01\r\n", b"*-0\r\n",
                    b"*9223372036854775808\r\n", b"*18446744073709551617\r\n", b"*1\r\n$16385\r\n", b"*1\r\n$536870913\r\n",
                    b"*1\r\n$-1\r\n", b"*1\r\n$01\r\n", b"*1\r\n$\r\n", b"*1\r\n:1\r\n", b"*1\r\nx\r\n", b"*1\r\n\n\r\n",
                    b"*1\r\n$9223372036854775808\r\n", b"GET \"x\r\n", b"\"a\"b\r\n"]:
            got = Connection(login=login).ask(raw)
            file.add("#", "after" if login else "before")
            file.add(">", raw)
            file.add("<", got)
    file.write()


login()
types()
keys()
pushes()
requests()
