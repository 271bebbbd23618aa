"""SQLAlchemy 2: core, ORM and reflection, over PyMySQL, mysqlclient and mysql-connector."""

import sys

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

host, port, user, password, database, ca = sys.argv[1:7]


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str]
    raw: Mapped[bytes | None]
    price: Mapped[float | None] = mapped_column(sa.Numeric(10, 2))


def arguments(driver):
    if driver == "mysqldb":
        return {"ssl": {"ca": ca}} if ca else {}
    return {"ssl_ca": ca, "ssl_verify_identity": True} if ca else {"ssl_disabled": True}


for driver in ("pymysql", "mysqldb", "mysqlconnector"):
    url = sa.URL.create(
        f"mysql+{driver}", user, password, host, int(port), database, {"charset": "utf8mb4"}
    )
    engine = sa.create_engine(url, connect_args=arguments(driver), pool_size=2, pool_pre_ping=True)
    with Session(engine) as session:
        session.execute(sa.delete(Item))
        session.add_all([Item(id=n, body=f"row {n} 🦀", raw=b"\0\xff", price=n / 4) for n in range(200)])
        session.commit()
        session.add(Item(id=1000, body="undone"))
        session.flush()
        session.rollback()
        assert session.scalar(sa.select(sa.func.count()).select_from(Item)) == 200
        found = session.scalars(sa.select(Item).where(Item.body == "row 7 🦀")).one()
        assert (found.id, found.raw) == (7, b"\0\xff")
        found.body = "changed"
        session.commit()
    with engine.begin() as connection:
        connection.execute(sa.insert(Item).values(id=2000, body="kept"))
        try:
            with connection.begin_nested():
                connection.execute(sa.insert(Item).values(id=2000, body="twice"))
            raise SystemExit("the error is missing")
        except sa.exc.IntegrityError:
            pass
    inspector = sa.inspect(engine)
    assert {"items", "numbers"} <= set(inspector.get_table_names()), inspector.get_table_names()
    columns = {column["name"] for column in inspector.get_columns("items")}
    assert columns == {"id", "body", "raw", "price", "made"}, columns
    table = sa.Table("items", sa.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        rows = connection.execution_options(stream_results=True, yield_per=50)
        assert sum(1 for _ in rows.execute(sa.select(table))) == 201
    engine.dispose()
print("ok")
