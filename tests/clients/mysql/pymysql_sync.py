"""PyMySQL: text protocol, transactions, big rows, several results, unbuffered reading, KILL QUERY.

Arguments of every script here: host, port, user, password, database, certificate authority or "".
The database has the tables of clients.sql.
"""

import sys
import threading

import pymysql
import pymysql.cursors
from pymysql.constants import CLIENT

host, port, user, password, database, ca = sys.argv[1:7]


def connect(**more):
    tls = (
        {"ssl_ca": ca, "ssl_verify_cert": True, "ssl_verify_identity": True}
        if ca
        else {"ssl_disabled": True}
    )
    return pymysql.connect(
        host=host, port=int(port), user=user, password=password, database=database, **tls, **more
    )


db = connect(client_flag=CLIENT.MULTI_STATEMENTS)
assert bool(getattr(db, "_secure", False)) == bool(ca)
with db.cursor() as cursor:
    cursor.execute("DELETE FROM items")
    body = "ü🦀" * 1000
    cursor.execute("INSERT INTO items (id, body, raw) VALUES (%s, %s, %s)", (1, body, b"\0\xff'"))
    db.commit()
    cursor.execute("SELECT body, raw FROM items WHERE id = %s", (1,))
    assert cursor.fetchone() == (body, b"\0\xff'")

    cursor.executemany(
        "INSERT INTO items (id, body) VALUES (%s, %s)", [(n, f"row {n}") for n in range(2, 5000)]
    )
    db.rollback()
    cursor.execute("SELECT COUNT(*) FROM items")
    assert cursor.fetchone() == (1,)

    # More than one packet each way.
    big = "x" * (17 << 20)
    cursor.execute("UPDATE items SET body = %s WHERE id = 1", (big,))
    cursor.execute("SELECT body FROM items WHERE id = 1")
    assert cursor.fetchone() == (big,)
    db.rollback()

    cursor.execute("SELECT 1; SELECT 2, 3; UPDATE items SET price = 1; SELECT 4")
    seen = [list(cursor.fetchall())]
    while cursor.nextset():
        seen.append(list(cursor.fetchall()))
    assert seen == [[(1,)], [(2, 3)], [], [(4,)]], seen
    db.rollback()
    cursor.callproc("two_results", (7,))
    seen = [cursor.fetchall()]
    while cursor.nextset():
        seen.append(cursor.fetchall())
    assert seen[:2] == [((7,),), ((8,), (9,))], seen

    for sql, number in [
        ("SELECT * FROM nowhere", 1146),
        ("SELEC 1", 1064),
        ("INSERT INTO items (id) VALUES (1)", 1062),
    ]:
        try:
            cursor.execute(sql)
            raise SystemExit("the error is missing")
        except pymysql.MySQLError as e:
            assert e.args[0] == number, e
    # The second of two fails: the first has happened, the session goes on.
    try:
        cursor.execute("SELECT 1; SELECT * FROM nowhere; SELECT 2")
        while cursor.nextset():
            pass
        raise SystemExit("the error is missing")
    except pymysql.MySQLError as e:
        assert e.args[0] == 1146, e
    cursor.execute("SELECT 5")
    assert cursor.fetchone() == (5,)

with db.cursor(pymysql.cursors.SSCursor) as cursor:
    cursor.execute("SELECT n FROM numbers ORDER BY n")
    assert sum(1 for _ in cursor) == 10_000

db.ping(reconnect=False)
db.select_db(database)
other = connect()
timer = threading.Timer(0.5, lambda: other.cursor().execute(f"KILL QUERY {db.thread_id()}"))
timer.start()
with db.cursor() as cursor:
    try:
        # MariaDB's SLEEP ends with an error, MySQL's with 1.
        cursor.execute("SELECT SLEEP(600)")
        assert cursor.fetchone() == (1,)
    except pymysql.MySQLError as e:
        assert e.args[0] == 1317, e
    cursor.execute("SELECT 6")
    assert cursor.fetchone() == (6,)
timer.join()
other.close()
db.close()
print("ok")
