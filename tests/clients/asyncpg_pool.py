"""asyncpg: binary protocol, statement cache, COPY, cursors, pool with reset, cancellation."""

import asyncio
import ssl
import sys

import asyncpg


async def main(url, ca=None):
    tls = ssl.create_default_context(cafile=ca) if ca else False
    pool = await asyncpg.create_pool(url, min_size=1, max_size=4, ssl=tls)

    async def work(n):
        async with pool.acquire() as db:
            for i in range(50):
                assert await db.fetchval("SELECT $1::int + $2::int", n, i) == n + i
            return await db.fetchval("SELECT length($1)", "y" * 100_000)

    assert await asyncio.gather(*(work(n) for n in range(12))) == [100_000] * 12

    async with pool.acquire() as db:
        await db.execute("CREATE TEMP TABLE t (id int, body text)")
        await db.copy_records_to_table("t", records=[(n, "z") for n in range(10_000)])
        assert await db.fetchval("SELECT count(*) FROM t") == 10_000
        async with db.transaction():
            seen = 0
            async for _ in db.cursor("SELECT id FROM t", prefetch=500):
                seen += 1
            assert seen == 10_000
        await db.executemany("INSERT INTO t VALUES ($1, $2)", [(n, "w") for n in range(500)])
        try:
            await db.fetch("SELECT 1/0")
            raise SystemExit("the error is missing")
        except asyncpg.DivisionByZeroError:
            pass
        try:
            await db.fetch("SELECT pg_sleep(600)", timeout=0.5)
            raise SystemExit("the query was not cancelled")
        except asyncio.TimeoutError:
            pass
        assert await db.fetchval("SELECT 1") == 1

    heard = asyncio.Queue()
    async with pool.acquire() as db:
        await db.add_listener("heard", lambda *message: heard.put_nowait(message[3]))
        await db.execute("NOTIFY heard, 'payload'")
        assert await asyncio.wait_for(heard.get(), 60) == "payload"
        await db.reset()
    await pool.close()
    print("ok")


asyncio.run(main(*sys.argv[1:]))
