"""psycopg2: the older driver on libpq's simple protocol."""

import io
import sys

import psycopg2
import psycopg2.extras

db = psycopg2.connect(sys.argv[1])
with db, db.cursor() as cursor:
    cursor.execute("CREATE TEMP TABLE t (id int, body text)")
    psycopg2.extras.execute_values(
        cursor, "INSERT INTO t VALUES %s", [(n, "x" * 1000) for n in range(2000)]
    )
    cursor.execute("SELECT count(*) FROM t WHERE body = %s", ("x" * 1000,))
    assert cursor.fetchone() == (2000,)
    cursor.copy_expert("COPY t FROM STDIN", io.StringIO("1\ta\n" * 10_000))
    out = io.StringIO()
    cursor.copy_expert("COPY t TO STDOUT", out)
    assert out.getvalue().count("\n") == 12_000
with db.cursor("held") as cursor:
    cursor.execute("SELECT * FROM t")
    assert len(cursor.fetchall()) == 12_000
db.rollback()
try:
    with db, db.cursor() as cursor:
        cursor.execute("SELECT 1/0")
    raise SystemExit("the error is missing")
except psycopg2.errors.DivisionByZero:
    pass
db.close()
print("ok")
