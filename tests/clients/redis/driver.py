"""redis-py and valkey-py, whose interface is the same: commands of each kind, pipelines,
transactions, scripts, locks, subscriptions, iteration; blocking and asyncio.

Arguments: package, host, port, user, password, certificate authority or "", protocol 2 or 3, value.
The database is empty before and holds user:1 = value behind it.
"""

import asyncio
import importlib
import sys
import threading

package, host, port, user, password, ca, protocol, value = sys.argv[1:9]
driver = importlib.import_module(package)
client_class = {"redis": "Redis", "valkey": "Valkey"}[package]
options = {
    "host": host,
    "port": int(port),
    "username": user,
    "password": password,
    "protocol": int(protocol),
    "decode_responses": True,
    "socket_timeout": 20,
    **({"ssl": True, "ssl_ca_certs": ca, "ssl_check_hostname": True} if ca else {}),
}


def names(items):
    return sorted(items)


db = getattr(driver, client_class)(**options)
assert names(db.keys()) == [], db.keys()
assert db.set("user:1", value) is True
assert db.get("user:1") == value
assert db.get("user:2") is None
big = "ü🦀" * 100_000
assert db.mset({"big": big, "n": 1})
assert db.mget("big", "none", "n") == [big, None, "1"]
assert db.incrby("n", 41) == 42
assert names(db.keys("*")) == ["big", "n", "user:1"]
assert names(db.scan_iter(match="user:*", count=10)) == ["user:1"]
assert db.randomkey() in ("big", "n", "user:1")
assert db.type("n") == "string"
assert db.object("encoding", "n") == "int"
assert db.rename("n", "m") and db.exists("n", "m") == 1

# Replies that name keys.
db.rpush("queue", "one", "two", "three")
assert tuple(db.blpop(["none", "queue"], timeout=1)) == ("queue", "one")
assert db.lmpop(2, "none", "queue", direction="LEFT", count=5) == ["queue", ["two", "three"]]
db.zadd("scores", {"a": 1, "b": 2})
assert list(db.bzpopmin(["scores"], timeout=1)) == ["scores", "a", 1.0]
db.xadd("stream", {"f": "v"}, id="1-1")
read = db.xread({"stream": 0})
assert "stream" in (read if isinstance(read, dict) else dict(read)), read

# Pipelines and transactions.
with db.pipeline(transaction=False) as pipe:
    for n in range(1000):
        pipe.set(f"p:{n}", n)
        pipe.get(f"p:{n}")
    replies = pipe.execute()
assert replies[1::2] == [str(n) for n in range(1000)]
with db.pipeline() as pipe:
    pipe.watch("m")
    m = int(pipe.get("m"))
    pipe.multi()
    pipe.set("m", m + 1)
    pipe.lpop("none")
    pipe.get("m")
    assert pipe.execute() == [True, None, "43"]
try:
    with db.pipeline() as pipe:
        pipe.watch("m")
        db.set("m", 0)
        pipe.multi()
        pipe.set("m", 1)
        pipe.execute()
    raise AssertionError("the watched key was changed")
except driver.WatchError:
    pass

# Scripts and locks.
double = db.register_script("return {KEYS[1], redis.call('incrby', KEYS[1], ARGV[1])}")
assert double(keys=["m"], args=[5]) == ["m", 5]
with db.lock("lock", timeout=10, blocking_timeout=5) as lock:
    assert lock.owned()
    lock.extend(5)
assert db.get("lock") is None

# Subscriptions.
pubsub = db.pubsub()
pubsub.subscribe("news")
pubsub.psubscribe("w*er")


def message(kind):
    for _ in range(100):
        got = pubsub.get_message(timeout=5)
        if got and got["type"] == kind:
            return got
    raise AssertionError(f"no {kind}")


message("psubscribe")
# Through the proxy a client with patterns counts as one receiver of everything.
assert db.publish("news", value) in (1, 2)
got = message("message")
assert (got["channel"], got["data"]) == ("news", value), got
db.publish("weather", value)
got = message("pmessage")
assert (got["pattern"], got["channel"]) == ("w*er", "weather"), got
assert db.pubsub_channels() == ["news"]
pubsub.close()

# A client that waits is woken by another.
woken = []
thread = threading.Thread(target=lambda: woken.append(db.blpop(["jobs"], timeout=10)))
thread.start()
db.rpush("jobs", "job")
thread.join()
assert [tuple(reply) for reply in woken] == [("jobs", "job")], woken

# Errors are the server's.
try:
    db.lpush("m", 1)
    raise AssertionError("m is no list")
except driver.ResponseError as error:
    assert str(error).startswith("WRONGTYPE"), error
try:
    getattr(driver, client_class)(**{**options, "password": "wrong"}).ping()
    raise AssertionError("a wrong password")
except driver.AuthenticationError as error:
    assert "invalid username-password pair" in str(error), error

raw = getattr(driver, client_class)(**{**options, "decode_responses": False})
raw.set(b"\x00\xff key", b"\r\n\x00\xff")
assert raw.get(b"\x00\xff key") == b"\r\n\x00\xff"


async def use_asyncio():
    module = importlib.import_module(f"{package}.asyncio")
    adb = getattr(module, client_class)(**options)
    await asyncio.gather(*(adb.set(f"a:{n}", n) for n in range(10)))
    assert await adb.mget([f"a:{n}" for n in range(10)]) == [str(n) for n in range(10)]
    async with adb.pipeline(transaction=True) as pipe:
        assert await pipe.set("m", 1).incr("m").execute() == [True, 2]
    async with adb.pubsub() as channel:
        await channel.subscribe("async")
        await channel.get_message(timeout=5)
        await adb.publish("async", value)
        got = await channel.get_message(ignore_subscribe_messages=True, timeout=5)
        assert got["channel"] == "async" and got["data"] == value, got
    assert await adb.get("user:1") == value
    await adb.aclose()


asyncio.run(use_asyncio())

db.unlink("big", "m", "scores", "stream", *(f"p:{n}" for n in range(1000)))
db.delete(*(f"a:{n}" for n in range(10)), "\x00")
raw.delete(b"\x00\xff key")
assert names(db.keys()) == ["user:1"], db.keys()
print("ok", end="")
