"""aiomysql: a pool, many sessions at once, a cancelled task."""

import asyncio
import ssl
import sys

import aiomysql

host, port, user, password, database, ca = sys.argv[1:7]


async def main():
    tls = ssl.create_default_context(cafile=ca) if ca else None
    pool = await aiomysql.create_pool(
        host=host,
        port=int(port),
        user=user,
        password=password,
        db=database,
        ssl=tls,
        charset="utf8mb4",
        minsize=1,
        maxsize=4,
        autocommit=True,
    )

    async def work(n):
        async with pool.acquire() as db, db.cursor() as cursor:
            for i in range(50):
                await cursor.execute("SELECT %s + %s", (n, i))
                assert await cursor.fetchone() == (n + i,)
            await cursor.execute("SELECT REPEAT('y', 100000)")
            return len((await cursor.fetchone())[0])

    assert await asyncio.gather(*(work(n) for n in range(12))) == [100_000] * 12

    async with pool.acquire() as db, db.cursor(aiomysql.SSCursor) as cursor:
        await cursor.execute("SELECT n FROM numbers ORDER BY n")
        assert len(await cursor.fetchall()) == 10_000
    async with pool.acquire() as db, db.cursor() as cursor:
        await cursor.execute("DELETE FROM items")
        await cursor.executemany(
            "INSERT INTO items (id, body) VALUES (%s, %s)", [(n, "🦀") for n in range(500)]
        )
        await db.begin()
        await cursor.execute("DELETE FROM items")
        await db.rollback()
        await cursor.execute("SELECT COUNT(*), MIN(body) FROM items")
        assert await cursor.fetchone() == (500, "🦀")

    # A task that is cancelled takes its connection with it, and nothing of its answer reaches
    # another.
    async def slow():
        async with pool.acquire() as db, db.cursor() as cursor:
            await cursor.execute("SELECT SLEEP(600)")

    try:
        await asyncio.wait_for(slow(), 0.5)
        raise SystemExit("the query was not cancelled")
    except asyncio.TimeoutError:
        pass
    assert await asyncio.gather(*(work(n) for n in range(4))) == [100_000] * 4
    pool.close()
    await pool.wait_closed()
    print("ok")


asyncio.run(main())
