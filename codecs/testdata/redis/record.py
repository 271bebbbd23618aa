#!/usr/bin/env python3
"""Records what a server says of its commands, for the tests of tenantsdb-codecs.

    record.py PORT PASSWORD NAME     a server on 127.0.0.1, of which nothing is kept

Beside this script, in command/: NAME.resp2, the reply to COMMAND; getkeys-NAME.txt, requests and
behind a tab the keys that COMMAND GETKEYS finds in each. In glob.txt, once, from whichever server
comes first: patterns, names, and whether they match.
"""
import pathlib
import random
import socket
import sys

HERE = pathlib.Path(__file__).parent

# Requests whose keys stand behind options.
OPTIONS = [
    "SORT k", "SORT k LIMIT 0 1 STORE d ALPHA", "SORT k LIMIT STORE x STORE d", "SORT STORE STORE d",
    "SORT k ASC STORE d STORE e", "SORT_RO k LIMIT 0 1 DESC", "SORT_RO BY ALPHA", "SORT k store BY",
    "GEORADIUS k 1 2 3 m", "GEORADIUS k 1 2 3 m COUNT 1 ANY STORE d", "GEORADIUS k 1 2 3 m STOREDIST d",
    "GEORADIUS k 1 2 3 m WITHDIST ASC STORE STORE", "GEORADIUSBYMEMBER k m 3 m STORE d DESC",
    "GEORADIUSBYMEMBER STORE STORE 3 m", "GEORADIUSBYMEMBER k m 3 m STORE d STOREDIST e",
    "XREAD STREAMS a 0", "XREAD COUNT 2 BLOCK 0 STREAMS a b 0 0", "XREAD COUNT 1 streams STREAMS COUNT 0 0",
    "XREADGROUP GROUP g c STREAMS a >", "XREADGROUP GROUP g c COUNT 1 NOACK STREAMS a b > >",
    "XREADGROUP GROUP STREAMS STREAMS STREAMS a >", "XREADGROUP GROUP g STREAMS BLOCK 1 STREAMS a b 1 2",
    "COPY a b", "COPY a b REPLACE", "COPY a b DB 0 REPLACE", "COPY DB REPLACE DB 0",
    "MSETEX 2 a 1 b 2 EX 5", "MSETEX 1 a 1",
    "ZUNIONSTORE d 2 a b WEIGHTS 1 2 AGGREGATE MAX", "ZINTER 2 a b WITHSCORES", "ZDIFFSTORE d 1 a",
    "EVAL body 0", "EVAL body 2 a b c", "FCALL f 1 a b", "EVALSHA_RO sha 3 a b c d e",
    "LMPOP 2 a b LEFT COUNT 2", "BLMPOP 0 2 a b RIGHT", "BZMPOP 1 1 a MIN", "SINTERCARD 2 a b LIMIT 1",
]
VOCABULARY = {
    "SORT": "BY GET STORE LIMIT ASC ALPHA nosort # 0 1 a b",
    "SORT_RO": "BY GET STORE LIMIT DESC ALPHA nosort # 0 1 a b",
    "GEORADIUS k 1 2 3 m": "STORE STOREDIST COUNT ANY ASC WITHDIST 1 2 a b",
    "GEORADIUSBYMEMBER k m 3 m": "STORE STOREDIST COUNT ANY ASC WITHHASH 1 2 a b",
    "XREAD": "STREAMS COUNT BLOCK 0 1 a b",
    "XREADGROUP": "GROUP STREAMS COUNT BLOCK NOACK 0 1 a b",
    "COPY": "DB REPLACE 0 1 a b",
    "ZUNIONSTORE": "WEIGHTS AGGREGATE SUM 1 2 3 a b",
    "EVAL": "0 1 2 3 a b",
    "LMPOP": "LEFT COUNT 1 2 a b",
    "BLMPOP": "LEFT COUNT 1 2 a b",
    "MSETEX": "EX NX 1 2 3 a b",
}


class Connection:
    def __init__(self, port, password):
        self.file = socket.create_connection(("127.0.0.1", port)).makefile("rwb")
        self.raw = b""
        assert self.ask("AUTH", password) == "OK"

    def ask(self, *words):
        words = [word if isinstance(word, bytes) else word.encode() for word in words]
        request = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
        self.file.write(b"*%d\r\n" % len(words) + request)
        self.file.flush()
        self.raw = b""
        return self.reply()

    def reply(self):
        line = self.file.readline()
        self.raw += line
        kind, text = line[:1], line[1:-2]
        if kind == b"+":
            return text.decode()
        if kind == b"-":
            return Exception(text.decode())
        if kind == b":":
            return int(text)
        if kind == b"$":
            body = self.file.read(int(text) + 2)
            self.raw += body
            return body[:-2].decode("latin1")
        assert kind == b"*", line
        return [self.reply() for _ in range(int(text))]


def described(commands):
    """Each command and sub-command that tells of keys, with as many arguments as it takes."""
    for command in commands:
        yield from described(command[9])
        for extra in range(5):
            argc = abs(command[1]) + extra
            words = command[0].split("|")
            words += [f"a{place}" for place in range(len(words), argc)]
            for spec in command[8]:
                spec = dict(zip(spec[::2], spec[1::2]))
                begin, find = (dict(zip(s[::2], s[1::2])) for s in (spec["begin_search"], spec["find_keys"]))
                if find["type"] == "keynum":
                    place = begin["spec"][1] + find["spec"][1]
                    if place < len(words):
                        words[place] = str((len(words) - place - 1) // find["spec"][5])
            if command[8] and (extra == 0 or command[1] < 0):
                yield " ".join(words)


def pattern_of(byte, draw):
    """A piece of a pattern that may well match this byte."""
    return draw.choice([byte] * 4 + ["\\" + byte, "?", "*", "**", "*a", f"[{byte}]", f"[^{byte}]",
                       "[a-b]", "[b-a]", f"[{byte}-", f"[^a{byte}", "[\\]a-c]", "[]", "[^]", "[a-]"])


def main():
    port, password, name = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    server = Connection(port, password)
    commands = server.ask("COMMAND")
    (HERE / "command" / f"{name}.resp2").write_bytes(server.raw)
    draw = random.Random(4)
    requests = sorted(described(commands)) + OPTIONS
    for command, words in VOCABULARY.items():
        for _ in range(60):
            words_drawn = draw.choices(words.split(), k=draw.randint(3, 9))
            requests.append(" ".join([command] + words_drawn))
    with open(HERE / "command" / f"getkeys-{name}.txt", "w") as file:
        for request in requests:
            keys = server.ask("COMMAND", "GETKEYS", *request.split())
            if isinstance(keys, list):
                print(request, " ".join(keys), sep="\t", file=file)
    glob = HERE / "glob.txt"
    if not glob.exists():
        with open(glob, "w") as file:
            for _ in range(1500):
                text = "".join(draw.choices("aabc-^]\\[", k=draw.randint(1, 6)))
                pattern = "".join(pattern_of(byte, draw) for byte in text)
                # A letter before it keeps the shortcut for a lone star out.
                server.ask("SET", "g" + text, "")
                matches = "g" + text in server.ask("KEYS", "g" + pattern)
                server.ask("DEL", "g" + text)
                print(pattern, text, int(matches), sep="\t", file=file)


main()
