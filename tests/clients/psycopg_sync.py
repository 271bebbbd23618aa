"""psycopg 3, blocking: parameters, prepared statements, pipeline, COPY, cursors, errors, cancel."""

import sys
import threading

import psycopg
from psycopg import sql

with psycopg.connect(sys.argv[1]) as db:
    db.execute("CREATE TEMP TABLE t (id int PRIMARY KEY, body text, raw bytea)")
    body = "ü" * 100_000
    db.execute("INSERT INTO t VALUES (%s, %s, %s)", (1, body, b"\0\xff"))
    assert db.execute("SELECT body, raw FROM t").fetchone() == (body, b"\0\xff")
    assert db.execute("SELECT id FROM t WHERE id = %b", (1,), binary=True).fetchone() == (1,)
    db.commit()

    for n in range(20):
        assert db.execute("SELECT %s::int + 1", (n,), prepare=True).fetchone() == (n + 1,)

    with db.pipeline() as pipeline:
        cursors = [db.execute("SELECT %s::int", (n,)) for n in range(200)]
        pipeline.sync()
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(200))
    try:
        with db.pipeline():
            db.execute("SELECT 1")
            db.execute("SELECT 1/0")
            db.execute("SELECT 2")
        raise SystemExit("the pipeline's error is missing")
    except psycopg.errors.DivisionByZero:
        db.rollback()

    with db.cursor().copy("COPY t (id, body) FROM STDIN") as copy:
        for n in range(2, 50_000):
            copy.write_row((n, f"row {n}"))
    with db.cursor().copy("COPY (SELECT id FROM t ORDER BY id) TO STDOUT") as copy:
        assert sum(1 for _ in copy.rows()) == 49_999
    with db.cursor(name="held") as cursor:
        cursor.itersize = 1000
        cursor.execute("SELECT id FROM t ORDER BY id")
        assert sum(1 for _ in cursor) == 49_999
    db.rollback()

    try:
        db.execute("SELECT * FROM nowhere")
        raise SystemExit("the error is missing")
    except psycopg.errors.UndefinedTable:
        db.rollback()
    try:
        with db.transaction():
            db.execute("INSERT INTO t VALUES (1)")
        raise SystemExit("the error is missing")
    except psycopg.errors.UniqueViolation:
        pass

    with db.transaction():
        db.execute("INSERT INTO t VALUES (-1)")
        try:
            with db.transaction():
                db.execute("INSERT INTO t VALUES (-2)")
                raise ValueError
        except ValueError:
            pass
    ids = db.execute("SELECT id FROM t WHERE id < 0").fetchall()
    assert ids == [(-1,)], ids

    notices = []
    db.add_notice_handler(lambda notice: notices.append(notice.message_primary))
    db.execute("DO $$ BEGIN RAISE NOTICE 'heard'; END $$")
    assert notices == ["heard"], notices

    timer = threading.Timer(0.5, db.cancel_safe)
    timer.start()
    try:
        db.execute("SELECT pg_sleep(600)")
        raise SystemExit("the query was not cancelled")
    except psycopg.errors.QueryCanceled:
        db.rollback()
    timer.join()
    db.autocommit = True
    db.execute("LISTEN heard")
    db.execute("NOTIFY heard, 'payload'")
    assert next(db.notifies(timeout=60)).payload == "payload"
    db.execute(sql.SQL("SET search_path = {}").format(sql.Identifier("pg_catalog")))
print("ok")
