"""psycopg 3, asyncio: many connections at once, and a cancelled task."""

import asyncio
import sys

import psycopg


async def session(url, n):
    async with await psycopg.AsyncConnection.connect(url) as db:
        for i in range(20):
            row = await (await db.execute("SELECT %s::int, %s::text", (i, "x" * n))).fetchone()
            assert row == (i, "x" * n)
        async with db.pipeline():
            cursors = [await db.execute("SELECT %s::int", (i,)) for i in range(50)]
        assert [(await cursor.fetchone())[0] for cursor in cursors] == list(range(50))
        async with db.cursor().copy("COPY (SELECT generate_series(1, 10000)) TO STDOUT") as copy:
            assert sum([1 async for _ in copy.rows()]) == 10_000


async def cancelled(url):
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as db:
        try:
            await asyncio.wait_for(db.execute("SELECT pg_sleep(600)"), 0.5)
            raise SystemExit("the query was not cancelled")
        except asyncio.TimeoutError:
            pass
        assert (await (await db.execute("SELECT 1")).fetchone()) == (1,)


async def main(url):
    await asyncio.gather(*(session(url, n * 1000) for n in range(10)), cancelled(url))
    print("ok")


asyncio.run(main(sys.argv[1]))
