"""mysqlclient, the C library's driver (MariaDB Connector/C here): what Django recommends."""

import sys
import threading

import MySQLdb
import MySQLdb.cursors

host, port, user, password, database, ca = sys.argv[1:7]


def connect(**more):
    tls = {"ssl": {"ca": ca}} if ca else {}
    return MySQLdb.connect(
        host=host,
        port=int(port),
        user=user,
        password=password,
        database=database,
        charset="utf8mb4",
        **tls,
        **more,
    )


db = connect()
cursor = db.cursor()
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
cursor.close()

streamed = db.cursor(MySQLdb.cursors.SSCursor)
streamed.execute("SELECT n FROM numbers ORDER BY n")
assert sum(1 for _ in streamed) == 10_000
streamed.close()

cursor = db.cursor()
for sql, number in [("SELECT * FROM nowhere", 1146), ("INSERT INTO items (id) VALUES (1)", 1062)]:
    try:
        cursor.execute(sql)
        raise SystemExit("the error is missing")
    except MySQLdb.Error as e:
        assert e.args[0] == number, e

other = connect()
kill = f"KILL QUERY {db.thread_id()}"
timer = threading.Timer(0.5, lambda: other.cursor().execute(kill))
timer.start()
try:
    cursor.execute("SELECT SLEEP(600)")
    assert cursor.fetchone() == (1,)
except MySQLdb.Error as e:
    assert e.args[0] == 1317, e
cursor.execute("SELECT 6")
assert cursor.fetchone() == (6,)
timer.join()
# COM_CHANGE_USER to the same login.
db.change_user(user, password, database)
cursor = db.cursor()
cursor.execute("SELECT DATABASE()")
assert cursor.fetchone() == (database,)
other.close()
db.close()
print("ok")
