"""mysql-connector-python: text, prepared statements, several results, reset, COM_CHANGE_USER."""

import sys

import mysql.connector
from mysql.connector import errors

host, port, user, password, database, ca = sys.argv[1:7]


def connect():
    tls = (
        {"ssl_ca": ca, "ssl_verify_cert": True, "ssl_verify_identity": True}
        if ca
        else {"ssl_disabled": True}
    )
    return mysql.connector.connect(
        host=host,
        port=int(port),
        user=user,
        password=password,
        database=database,
        use_pure=True,
        charset="utf8mb4",
        collation="utf8mb4_general_ci",
        **tls,
    )


db = connect()
cursor = db.cursor()
cursor.execute("DELETE FROM items")
body = "ü🦀" * 1000
cursor.execute("INSERT INTO items (id, body, raw) VALUES (%s, %s, %s)", (1, body, b"\0\xff'"))
db.commit()
cursor.execute("SELECT body, raw FROM items WHERE id = %s", (1,))
assert cursor.fetchone() == (body, b"\0\xff'")
cursor.close()

prepared = db.cursor(prepared=True)
insert = "INSERT INTO items (id, body, price) VALUES (?, ?, ?)"
for n in range(2, 50):
    prepared.execute(insert, (n, f"row {n}", n / 2))
prepared.execute("SELECT body FROM items WHERE id = ?", (7,))
assert [str(row[0]) for row in prepared.fetchall()] == ["row 7"]
prepared.execute("SELECT n FROM numbers WHERE n < ?", (3000,))
assert len(prepared.fetchall()) == 3000
# More than one packet. (The driver cannot read so long a row of a prepared
# statement, whatever the server.)
big = "x" * (17 << 20)
prepared.execute("UPDATE items SET body = ? WHERE id = 1", (big,))
prepared.close()
cursor = db.cursor()
cursor.execute("SELECT body FROM items WHERE id = 1")
assert cursor.fetchone() == (big,)
db.rollback()
cursor.execute("SELECT COUNT(*) FROM items")
assert cursor.fetchone() == (1,)
cursor.callproc("two_results", (7,))
seen = [result.fetchall() for result in cursor.stored_results()]
assert seen[:2] == [[(7,)], [(8,), (9,)]], seen
for sql, number in [("SELECT * FROM nowhere", 1146), ("INSERT INTO items (id) VALUES (1)", 1062)]:
    try:
        cursor.execute(sql)
        raise SystemExit("the error is missing")
    except errors.Error as e:
        assert e.errno == number, e
cursor.execute("SET @kept = 1")
db.cmd_reset_connection()
cursor = db.cursor()
cursor.execute("SELECT @kept, DATABASE()")
assert cursor.fetchone() == (None, database)
db.cmd_change_user(user, password, database, charset=45)
db.ping()
db.close()

print("ok")
