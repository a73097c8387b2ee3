"""SQLAlchemy's side of tests/bench models: the same rows through its unit of work.

Lives as long as the benchmark, so that neither its start nor its imports are measured. It is told one thing a line on stdin
and answers a line on stdout: first the URL of an empty database, which it answers with its versions, then

    insert ROUND ROWS    answers the nanoseconds of a session that adds so many objects, learns their keys and commits
    update ROUND ROWS    answers those of one that loads all objects, changes a column of each and commits
    check ROUND ROWS     looks whether the table's last rows are what these have written, and answers `as it should be`

What Python's collector has left from the round before is collected before the next one, and not measured.
"""

import gc
import sys
from time import perf_counter_ns

import sqlalchemy
from sqlalchemy import BigInteger, Integer, String, create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    pass


class Entry(Base):
    __tablename__ = "entries"
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    amount: Mapped[int] = mapped_column(BigInteger)
    score: Mapped[int | None] = mapped_column(Integer)


def row(number, round_):
    """What the other sides write as well: see `Entry::new`."""
    return f"entry {number}", number * 10 + round_, None if number % 3 == 0 else number % 100


def insert(engine, round_, rows):
    values = [row(number, round_) for number in range(rows)]
    gc.collect()
    began = perf_counter_ns()
    with Session(engine) as session:
        entries = [Entry(name=name, amount=amount, score=score) for name, amount, score in values]
        session.add_all(entries)
        session.flush()
        keys = [entry.id for entry in entries]
        session.commit()
    took = perf_counter_ns() - began
    assert len(set(keys)) == rows
    return took


def update(engine, round_, rows):
    gc.collect()
    began = perf_counter_ns()
    with Session(engine) as session:
        entries = session.scalars(select(Entry).order_by(Entry.id)).all()
        for number, entry in enumerate(entries):
            entry.amount = row(number, round_)[1]
        session.commit()
    took = perf_counter_ns() - began
    assert len(entries) == rows
    return took


def check(engine, round_, rows):
    with Session(engine) as session:
        last = select(Entry.name, Entry.amount, Entry.score).order_by(Entry.id.desc()).limit(rows)
        found = session.execute(last).all()
    assert [tuple(one) for one in reversed(found)] == [row(number, round_) for number in range(rows)]
    return "as it should be"


def connect(url):
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def set_pragmas(connection, _):
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
                connection.execute(f"PRAGMA {pragma}")

    Base.metadata.create_all(engine)
    return engine


def main():
    engine = connect(sys.stdin.readline().strip())
    python = sys.version.split()[0]
    print(f"SQLAlchemy {sqlalchemy.__version__}, {engine.driver}, Python {python}", flush=True)
    for line in sys.stdin:
        word, round_, rows = line.split()
        turn = {"insert": insert, "update": update, "check": check}[word]
        print(turn(engine, int(round_), int(rows)), flush=True)


main()
