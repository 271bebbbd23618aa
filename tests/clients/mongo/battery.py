"""Calls of a MongoDB driver, one line of JSON for the result of each.

    battery.py {sync|async} HOST:PORT USER PASSWORD DATABASE [OPTION=VALUE ...]

The same calls give the same lines at a server and through a proxy in front of it, whichever of the
driver's two interfaces makes them. What differs between two runs by nature (times, random numbers,
addresses, the database's own name) is replaced. The database is expected to be empty; the login
may change its structure.
"""

import asyncio
import datetime
import inspect
import re
import sys

import bson
import gridfs
import pymongo
from bson import json_util
from pymongo import errors
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.server_api import ServerApi
from pymongo.write_concern import WriteConcern

CALLS = []
# Fields whose values differ from run to run.
VARIES = {"lsid", "connectionId", "uuid", "collectionUUID", "uploadDate", "_data"}
# Fields that a server adds to a reply where it has something to say.
ADDED = {"$clusterTime", "operationTime", "electionId", "opTime"}
# Cursor ids, sizes and UUIDs in texts, and a whole command.
NUMBERS = re.compile(r"\d{8,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<=to execute command ).*")


def call(function):
    """A call of the battery, under the name of its function."""
    CALLS.append(function)
    return function


class Driver:
    """One login with the synchronous interface or the asynchronous one."""

    def __init__(self, kind, address, user, password, database, options):
        module = pymongo.AsyncMongoClient if kind == "async" else pymongo.MongoClient
        host, port = address.rsplit(":", 1)
        base = {
            "host": host, "port": int(port), "username": user, "password": password,
            "authSource": database, "serverSelectionTimeoutMS": 20000, **options,
        }
        self.open = lambda **more: module(**{**base, **more})
        self.kind = kind
        self.client = self.open()
        self.db = self.client[database]
        self.name = database

    async def got(self, value):
        """A result of either interface."""
        return await value if inspect.isawaitable(value) else value

    async def all(self, cursor):
        """Everything that a cursor, or a call that gives one, has."""
        cursor = await self.got(cursor)
        if self.kind == "async":
            return [document async for document in cursor]
        return list(cursor)

    async def next(self, cursor):
        """A cursor's next document."""
        return await self.got(cursor.next())

    def bucket(self, name):
        """A bucket of GridFS."""
        kind = gridfs.AsyncGridFSBucket if self.kind == "async" else gridfs.GridFSBucket
        return kind(self.db, bucket_name=name)

    async def fresh(self, name, *documents):
        """A collection with nothing but these documents."""
        collection = self.db[name]
        await self.got(collection.drop())
        if documents:
            await self.got(collection.insert_many(list(documents)))
        return collection

    async def numbers(self, count=1000):
        """A collection of so many numbered documents."""
        collection = self.db["numbers"]
        if await self.got(collection.count_documents({})) != count:
            await self.fresh("numbers", *({"_id": n, "n": n, "even": n % 2 == 0} for n in range(count)))
        return collection


def same(value, name):
    """A result without what differs from run to run."""
    if isinstance(value, dict):
        return {
            key.replace(name, "DATABASE"): "*" if key in VARIES else same(inner, name)
            for key, inner in value.items()
            if key not in ADDED
        }
    if isinstance(value, (list, tuple)):
        return [same(inner, name) for inner in value]
    if type(value) is str:
        return NUMBERS.sub("NUMBER", value.replace(name, "DATABASE"))
    return value


def failed(error):
    """What a call's error says: class, code, labels, and what the server replied."""
    told = {"error": type(error).__name__}
    if isinstance(error, errors.PyMongoError):
        told["labels"] = sorted(error._error_labels)
    if isinstance(error, errors.OperationFailure):
        told |= {"code": error.code, "details": error.details}
    if isinstance(error, errors.ClientBulkWriteException):
        told["details"] = str(error.error)
    return told


# --- documents, one at a time and many -----------------------------------------------------------


@call
async def ping(d):
    return await d.got(d.client.admin.command("ping"))


@call
async def server_version(d):
    version = (await d.got(d.client.server_info()))["version"]
    return version.split(".")[:2]


@call
async def insert_one(d):
    c = await d.fresh("users")
    done = await d.got(c.insert_one({"_id": 1, "name": "Ada", "tags": ["a", "b"]}))
    return [done.inserted_id, done.acknowledged]


@call
async def insert_one_with_an_id_of_the_driver(d):
    c = await d.fresh("ids")
    done = await d.got(c.insert_one({"name": "Grace"}))
    return [isinstance(done.inserted_id, bson.ObjectId), await d.got(c.count_documents({}))]


@call
async def insert_duplicate(d):
    await d.got(d.db.users.insert_one({"_id": 1}))


@call
async def insert_many(d):
    c = await d.fresh("many")
    done = await d.got(c.insert_many([{"_id": n} for n in range(500)]))
    return [len(done.inserted_ids), await d.got(c.count_documents({}))]


@call
async def insert_many_that_stops_at_an_error(d):
    c = await d.fresh("stops")
    await d.got(c.insert_many([{"_id": n % 3} for n in range(5)]))


@call
async def insert_many_that_goes_on_behind_an_error(d):
    c = await d.fresh("goes_on")
    await d.got(c.insert_many([{"_id": n % 3} for n in range(5)], ordered=False))


@call
async def insert_many_in_several_messages(d):
    # More than the 48 MB that one message may have.
    c = await d.fresh("batches")
    done = await d.got(c.insert_many([{"_id": n, "text": "x" * (1 << 20)} for n in range(60)]))
    count = await d.got(c.count_documents({}))
    await d.got(c.drop())
    return [len(done.inserted_ids), count]


@call
async def every_type(d):
    c = await d.fresh("types")
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
    document = {
        "_id": bson.ObjectId("0123456789abcdef01234567"), "double": 1.5, "string": "ü\0b", "document": {"a": {}},
        "array": [1, [2]], "binary": b"\0\1", "uuid": bson.Binary(b"0123456789abcdef", 4), "true": True,
        "date": moment, "null": None, "regex": bson.Regex("^a", "i"), "code": bson.Code("f()"),
        "scoped": bson.Code("f()", {"a": 1}), "int": 7, "long": bson.Int64(1 << 40),
        "decimal": bson.Decimal128("1.10"), "timestamp": bson.Timestamp(7, 8), "min": bson.MinKey(),
        "max": bson.MaxKey(), "nan": float("nan"), "infinity": float("-inf"),
    }
    await d.got(c.insert_one(document))
    return await d.all(c.find())


@call
async def a_document_of_15_megabytes(d):
    c = await d.fresh("large")
    await d.got(c.insert_one({"_id": 1, "text": "x" * (15 << 20)}))
    found = await d.got(c.find_one({"_id": 1}))
    await d.got(c.drop())
    return len(found["text"])


@call
async def a_document_of_17_megabytes(d):
    await d.got(d.db.large.insert_one({"_id": 1, "text": "x" * (17 << 20)}))


@call
async def a_document_100_deep(d):
    c = await d.fresh("deep")
    document = {}
    for _ in range(90):
        document = {"a": document}
    await d.got(c.insert_one({"_id": 1, "deep": document}))
    return str(await d.got(c.find_one())).count("{")


@call
async def find_one(d):
    return await d.got(d.db.users.find_one({"name": "Ada"}))


@call
async def find_none(d):
    return await d.got(d.db.nowhere.find_one())


@call
async def find_with_projection_sort_skip_and_limit(d):
    c = await d.numbers()
    found = c.find({"n": {"$gte": 100}}, {"n": 1, "_id": 0}).sort("n", -1).skip(3).limit(4)
    return await d.all(found)


@call
async def find_with_collation(d):
    c = await d.fresh("words", {"_id": 1, "w": "b"}, {"_id": 2, "w": "A"}, {"_id": 3, "w": "a"})
    return await d.all(c.find().sort([("w", 1), ("_id", 1)]).collation({"locale": "en", "strength": 2}))


@call
async def find_with_operators(d):
    c = await d.numbers()
    query = {"$or": [{"n": {"$in": [5, 7]}}, {"n": {"$mod": [500, 1]}}], "even": {"$ne": True}}
    return await d.all(c.find(query).sort("n", 1))


@call
async def find_with_comment_and_time_limit(d):
    c = await d.numbers()
    return await d.all(c.find({"n": 3}, comment="of a test").max_time_ms(10_000))


@call
async def find_with_hint_and_bounds(d):
    c = await d.numbers()
    await d.got(c.create_index("n"))
    return await d.all(c.find().hint([("n", 1)]).min([("n", 5)]).max([("n", 8)]))


@call
async def count_documents(d):
    return await d.got((await d.numbers()).count_documents({"even": True}))


@call
async def estimated_document_count(d):
    return await d.got((await d.numbers()).estimated_document_count())


@call
async def distinct(d):
    return sorted(await d.got((await d.numbers()).distinct("even")))


@call
async def update_one(d):
    done = await d.got(d.db.users.update_one({"_id": 1}, {"$set": {"age": 36}, "$push": {"tags": "c"}}))
    return [done.matched_count, done.modified_count, await d.got(d.db.users.find_one())]


@call
async def update_many(d):
    done = await d.got((await d.numbers()).update_many({"n": {"$lt": 10}}, {"$inc": {"seen": 1}}))
    return done.raw_result


@call
async def update_with_pipeline(d):
    c = await d.fresh("sums", {"_id": 1, "a": 2, "b": 3})
    await d.got(c.update_one({}, [{"$set": {"sum": {"$add": ["$a", "$b"]}}}]))
    return await d.got(c.find_one())


@call
async def update_with_array_filters(d):
    c = await d.fresh("grades", {"_id": 1, "grades": [80, 95, 99]})
    await d.got(c.update_one({}, {"$set": {"grades.$[g]": 90}}, array_filters=[{"g": {"$gt": 90}}]))
    return await d.got(c.find_one())


@call
async def upsert(d):
    c = await d.fresh("upserts")
    done = await d.got(c.update_one({"_id": 5}, {"$set": {"a": 1}}, upsert=True))
    return [done.upserted_id, done.matched_count, await d.all(c.find())]


@call
async def replace_one(d):
    done = await d.got(d.db.users.replace_one({"_id": 1}, {"name": "Ada L."}))
    return [done.raw_result, await d.got(d.db.users.find_one())]


@call
async def find_one_and_update(d):
    c = await d.fresh("counter", {"_id": 1, "n": 1})
    before = await d.got(c.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}}))
    after = await d.got(c.find_one_and_update({"_id": 1}, {"$inc": {"n": 1}}, return_document=True))
    return [before, after]


@call
async def find_one_and_replace(d):
    return await d.got(d.db.counter.find_one_and_replace({"_id": 1}, {"m": 1}, return_document=True))


@call
async def find_one_and_delete(d):
    return [await d.got(d.db.counter.find_one_and_delete({"_id": n})) for n in (1, 2)]


@call
async def delete_one(d):
    c = await d.fresh("deletes", *({"_id": n, "a": 1} for n in range(5)))
    return (await d.got(c.delete_one({"a": 1}))).raw_result


@call
async def delete_many(d):
    return (await d.got(d.db.deletes.delete_many({"a": 1}))).deleted_count


# --- cursors -------------------------------------------------------------------------------------


@call
async def a_cursor_over_many_batches(d):
    c = await d.numbers()
    found = await d.all(c.find().sort("n", 1).batch_size(7))
    return [document["n"] for document in found] == list(range(1000))


@call
async def several_cursors_at_once(d):
    c = await d.numbers()
    cursors = [c.find({"n": {"$gte": 100 * k}}).sort("n", 1).batch_size(5) for k in range(8)]
    return [[(await d.next(cursor))["n"] for cursor in cursors] for _ in range(20)]


@call
async def a_cursor_that_is_closed_early(d):
    cursor = (await d.numbers()).find().batch_size(5)
    await d.next(cursor)
    cursor_id = cursor.cursor_id
    await d.got(cursor.close())
    await d.got(d.db.command("getMore", bson.Int64(cursor_id), collection="numbers"))


@call
async def killed_cursors_by_command(d):
    cursor = (await d.numbers()).find().batch_size(5)
    await d.next(cursor)
    killed = await d.got(d.db.command("killCursors", "numbers", cursors=[bson.Int64(cursor.cursor_id)]))
    return len(killed["cursorsKilled"])


@call
async def an_unknown_cursor(d):
    await d.got(d.db.command("getMore", bson.Int64(123456789), collection="numbers"))


@call
async def an_exhaust_cursor(d):
    cursor = (await d.numbers()).find(cursor_type=pymongo.CursorType.EXHAUST, batch_size=50)
    return len(await d.all(cursor))


@call
async def an_exhaust_cursor_that_is_closed_early(d):
    c = await d.numbers()
    cursor = c.find(cursor_type=pymongo.CursorType.EXHAUST, batch_size=50)
    await d.next(cursor)
    await d.got(cursor.close())
    return await d.got(c.count_documents({}))


@call
async def a_tailable_cursor(d):
    await d.got(d.db.capped.drop())
    c = await d.got(d.db.create_collection("capped", capped=True, size=4096))
    await d.got(c.insert_many([{"_id": n} for n in range(3)]))
    cursor = c.find(cursor_type=pymongo.CursorType.TAILABLE)
    first = [await d.next(cursor) for _ in range(3)]
    await d.got(c.insert_one({"_id": 3}))
    for _ in range(100):
        try:
            more = await d.next(cursor)
            break
        except (StopIteration, StopAsyncIteration):
            await asyncio.sleep(0.02)
    await d.got(cursor.close())
    return [first, more]


@call
async def raw_batches(d):
    cursor = (await d.numbers()).find_raw_batches({"n": {"$lt": 100}}, batch_size=30)
    return [len(bson.decode_all(batch)) for batch in await d.all(cursor)]


@call
async def a_cursor_of_large_documents(d):
    c = await d.fresh("heavy", *({"_id": n, "text": "x" * (1 << 20)} for n in range(20)))
    found = [len(document["text"]) for document in await d.all(c.find())]
    await d.got(c.drop())
    return found


@call
async def clones_and_rewinding(d):
    cursor = (await d.numbers()).find().sort("n", 1).limit(3)
    first = await d.next(cursor)
    return [first, await d.next(cursor.clone())]


# --- aggregation ---------------------------------------------------------------------------------


@call
async def aggregate_groups(d):
    c = await d.numbers()
    return await d.all(c.aggregate([
        {"$match": {"n": {"$lt": 100}}}, {"$group": {"_id": "$even", "sum": {"$sum": "$n"}}}, {"$sort": {"_id": 1}},
    ]))


@call
async def aggregate_over_many_batches(d):
    c = await d.numbers()
    return len(await d.all(c.aggregate([{"$project": {"n": 1}}], batchSize=9)))


@call
async def aggregate_lookup_and_unwind(d):
    await d.fresh("orders", {"_id": 1, "user": 1, "total": 5}, {"_id": 2, "user": 1, "total": 6})
    c = await d.fresh("buyers", {"_id": 1, "name": "Ada"})
    return await d.all(c.aggregate([
        {"$lookup": {"from": "orders", "localField": "_id", "foreignField": "user", "as": "orders"}},
        {"$unwind": "$orders"}, {"$sort": {"orders._id": 1}},
    ]))


@call
async def aggregate_lookup_with_pipeline(d):
    return await d.all(d.db.buyers.aggregate([{"$lookup": {
        "from": "orders", "let": {"u": "$_id"}, "as": "large",
        "pipeline": [{"$match": {"$expr": {"$and": [{"$eq": ["$user", "$$u"]}, {"$gt": ["$total", 5]}]}}}],
    }}]))


@call
async def aggregate_facet_and_bucket(d):
    c = await d.numbers()
    return await d.all(c.aggregate([{"$facet": {
        "buckets": [{"$bucket": {"groupBy": "$n", "boundaries": [0, 10, 1000]}}], "count": [{"$count": "n"}],
    }}]))


@call
async def aggregate_union(d):
    return await d.all(d.db.buyers.aggregate([{"$unionWith": {"coll": "orders"}}, {"$sort": {"_id": 1, "total": 1}}]))


@call
async def aggregate_out(d):
    await d.all((await d.numbers()).aggregate([{"$match": {"n": {"$lt": 3}}}, {"$out": "few"}]))
    return await d.all(d.db.few.find({}, {"n": 1}).sort("n", 1))


@call
async def aggregate_merge(d):
    merge = {"into": "few", "whenMatched": "merge", "whenNotMatched": "insert"}
    await d.all((await d.numbers()).aggregate([{"$match": {"n": {"$lt": 5}}}, {"$merge": merge}]))
    return await d.got(d.db.few.count_documents({}))


@call
async def aggregate_documents(d):
    return await d.all(d.db.aggregate([{"$documents": [{"a": 1}, {"a": 2}]}]))


@call
async def aggregate_unknown_stage(d):
    return await d.all(d.db.users.aggregate([{"$nothing": {}}]))


@call
async def explain(d):
    told = await d.got((await d.numbers()).find({"n": 5}).explain())
    return sorted(key for key in told if key not in ADDED)


# --- GridFS --------------------------------------------------------------------------------------


@call
async def gridfs_upload(d):
    data = bytes(range(256)) * 8192
    await d.got(d.bucket("files").upload_from_stream_with_id(1, "two megabytes", data, metadata={"a": 1}))
    return [await d.got(d.db["files.chunks"].count_documents({})), await d.got(d.db["files.files"].find_one())]


@call
async def gridfs_download(d):
    stream = await d.got(d.bucket("files").open_download_stream_by_name("two megabytes"))
    return await d.got(stream.read()) == bytes(range(256)) * 8192


@call
async def gridfs_find_and_rename(d):
    await d.got(d.bucket("files").rename(1, "renamed"))
    return [file.filename for file in await d.all(d.bucket("files").find({}))]


@call
async def gridfs_delete(d):
    await d.got(d.bucket("files").delete(1))
    return [await d.got(d.db[f"files.{part}"].count_documents({})) for part in ("files", "chunks")]


@call
async def gridfs_missing(d):
    await d.got(d.bucket("files").open_download_stream(99))


# --- bulk writes, and writes without an answer ---------------------------------------------------


def bulk(*more):
    """Operations of each kind."""
    return [
        pymongo.InsertOne({"_id": 1}), pymongo.InsertOne({"_id": 2}), pymongo.UpdateOne({"_id": 1}, {"$set": {"a": 1}}),
        pymongo.ReplaceOne({"_id": 3}, {"a": 3}, upsert=True), pymongo.DeleteOne({"_id": 2}), *more,
    ]


@call
async def bulk_write(d):
    c = await d.fresh("bulk")
    done = await d.got(c.bulk_write(bulk(pymongo.UpdateMany({}, {"$inc": {"a": 1}}))))
    return [done.bulk_api_result, await d.all(c.find().sort("_id", 1))]


@call
async def bulk_write_that_stops(d):
    c = await d.fresh("bulk")
    await d.got(c.bulk_write(bulk(pymongo.InsertOne({"_id": 1}), pymongo.InsertOne({"_id": 9}))))


@call
async def bulk_write_that_goes_on(d):
    c = await d.fresh("bulk")
    await d.got(c.bulk_write(bulk(pymongo.InsertOne({"_id": 1}), pymongo.InsertOne({"_id": 9})), ordered=False))


@call
async def bulk_write_of_a_client(d):
    await d.fresh("bulk")
    done = await d.got(d.client.bulk_write([
        pymongo.InsertOne({"_id": 1}, namespace=f"{d.name}.bulk"),
        pymongo.UpdateOne({"_id": 1}, {"$set": {"a": 1}}, namespace=f"{d.name}.bulk"),
    ]))
    return done.bulk_api_result


@call
async def unacknowledged_writes(d):
    c = await d.fresh("quiet")
    quiet = c.with_options(write_concern=WriteConcern(w=0))
    done = [
        await d.got(quiet.insert_one({"_id": 1})), await d.got(quiet.insert_many([{"_id": n} for n in range(2, 500)])),
        await d.got(quiet.update_many({}, {"$set": {"a": 1}})), await d.got(quiet.delete_one({"_id": 3})),
        await d.got(quiet.insert_one({"_id": 1})),
    ]
    for _ in range(500):
        if await d.got(c.count_documents({"a": 1})) == 498:
            break
        await asyncio.sleep(0.01)
    return [[one.acknowledged for one in done], await d.got(c.count_documents({"a": 1}))]


@call
async def unacknowledged_bulk_write(d):
    c = await d.fresh("quiet")
    quiet = c.with_options(write_concern=WriteConcern(w=0))
    await d.got(quiet.bulk_write(bulk(), ordered=False))
    for _ in range(500):
        if await d.got(c.count_documents({"_id": 3})) == 1:
            return True
        await asyncio.sleep(0.01)


@call
async def write_concerns(d):
    c = await d.fresh("concern")
    for concern in (WriteConcern(1), WriteConcern("majority"), WriteConcern(1, j=True, wtimeout=500)):
        await d.got(c.with_options(write_concern=concern).insert_one({}))
    return await d.got(c.count_documents({}))


@call
async def read_concerns_and_preferences(d):
    c = await d.numbers()
    found = []
    for level in ("local", "majority", "available"):
        for preference in (ReadPreference.PRIMARY, ReadPreference.NEAREST, ReadPreference.SECONDARY_PREFERRED):
            options = c.with_options(read_concern=ReadConcern(level), read_preference=preference)
            found.append((await d.got(options.find_one({"_id": 5})))["n"])
    return found


# --- sessions and transactions -------------------------------------------------------------------


async def transaction(d, work):
    """What work gives in a transaction that it may end."""
    session = await d.got(d.client.start_session())
    try:
        await d.got(session.start_transaction())
        result = await work(session)
        if session.in_transaction:
            await d.got(session.commit_transaction())
        return result
    finally:
        await d.got(session.end_session())


@call
async def a_transaction_that_commits(d):
    c = await d.fresh("accounts", {"_id": 1, "n": 10}, {"_id": 2, "n": 0})

    async def work(session):
        await d.got(c.update_one({"_id": 1}, {"$inc": {"n": -3}}, session=session))
        outside = await d.got(c.find_one({"_id": 1}))
        await d.got(c.update_one({"_id": 2}, {"$inc": {"n": 3}}, session=session))
        return [outside, await d.all(c.find(session=session).sort("_id", 1).batch_size(1))]

    return [await transaction(d, work), await d.all(c.find().sort("_id", 1))]


@call
async def a_transaction_that_aborts(d):
    c = d.db.accounts

    async def work(session):
        await d.got(c.delete_many({}, session=session))
        count = await d.got(c.count_documents({}, session=session))
        await d.got(session.abort_transaction())
        return count

    return [await transaction(d, work), await d.got(c.count_documents({}))]


@call
async def a_transaction_with_an_error(d):
    async def work(session):
        await d.got(d.db.accounts.insert_one({"_id": 3}, session=session))
        await d.got(d.db.accounts.insert_one({"_id": 1}, session=session))

    await transaction(d, work)


@call
async def a_transaction_that_meets_another(d):
    async def work(session):
        await d.got(d.db.accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session))

        async def other(session):
            await d.got(d.db.accounts.update_one({"_id": 1}, {"$inc": {"n": 1}}, session=session))

        await transaction(d, other)

    await transaction(d, work)


@call
async def with_transaction(d):
    c = d.db.accounts
    session = await d.got(d.client.start_session())
    if d.kind == "async":
        async def work(session):
            await c.insert_one({"_id": 7}, session=session)
            return "async or not"
    else:
        def work(session):
            c.insert_one({"_id": 7}, session=session)
            return "async or not"
    result = await d.got(session.with_transaction(work))
    await d.got(session.end_session())
    return [result, await d.got(c.count_documents({"_id": 7}))]


@call
async def a_session_across_calls(d):
    c = await d.fresh("sessions")
    session = await d.got(d.client.start_session(causal_consistency=True))
    await d.got(c.insert_one({"_id": 1}, session=session))
    found = await d.got(c.find_one({"_id": 1}, session=session))
    known = session.operation_time is not None
    await d.got(session.end_session())
    return [found, known]


@call
async def a_snapshot_session(d):
    session = await d.got(d.client.start_session(snapshot=True))
    try:
        return await d.got((await d.numbers()).find_one({"_id": 5}, session=session))
    finally:
        await d.got(session.end_session())


@call
async def a_retried_write(d):
    # The same number again: the server answers from its memory, and writes once.
    c = await d.fresh("retried")
    client = d.open()
    replies = [
        await d.got(client[d.name].command(
            "insert", "retried", documents=[{"a": 1}], txnNumber=bson.Int64(5),
        ))
        for _ in range(2)
    ]
    await d.got(client.close())
    return [[reply["n"] for reply in replies], await d.got(c.count_documents({}))]


# --- change streams ------------------------------------------------------------------------------


def of(*ids):
    """Changes of these documents only: SecantusDB may also give what was changed just before."""
    return [{"$match": {"documentKey._id": {"$in": list(ids)}}}]


async def changes(d, stream, count):
    """The next so many changes."""
    seen = [await d.next(stream) for _ in range(count)]
    keep = ("operationType", "documentKey", "fullDocument", "updateDescription", "ns")
    return [{key: event[key] for key in keep if key in event} for event in seen]


@call
async def watch_a_collection(d):
    c = await d.fresh("watched", {"_id": 0})
    stream = await d.got(c.watch(of(1), full_document="updateLookup", max_await_time_ms=200))
    await d.got(c.insert_one({"_id": 1}))
    await d.got(c.update_one({"_id": 1}, {"$set": {"a": 1}}))
    await d.got(c.replace_one({"_id": 1}, {"b": 1}))
    await d.got(c.delete_one({"_id": 1}))
    seen = await changes(d, stream, 4)
    await d.got(stream.close())
    return seen


@call
async def watch_and_resume(d):
    c = d.db.watched
    stream = await d.got(c.watch(of(*range(10, 15)), max_await_time_ms=200))
    await d.got(c.insert_many([{"_id": n} for n in range(10, 15)]))
    first = await changes(d, stream, 2)
    token = stream.resume_token
    await d.got(stream.close())
    stream = await d.got(c.watch(of(*range(10, 15)), resume_after=token, max_await_time_ms=200))
    rest = await changes(d, stream, 3)
    await d.got(stream.close())
    return [first, rest]


@call
async def watch_a_database(d):
    stream = await d.got(d.db.watch(of(20, 21), max_await_time_ms=200))
    await d.got(d.db.watched.insert_one({"_id": 20}))
    await d.got(d.db.watched_too.insert_one({"_id": 21}))
    seen = await changes(d, stream, 2)
    await d.got(stream.close())
    return seen


@call
async def watch_without_a_change(d):
    stream = await d.got(d.db.watched.watch(of(99), max_await_time_ms=100))
    seen = [await d.got(stream.try_next()) for _ in range(3)]
    await d.got(stream.close())
    return seen


# --- structure -----------------------------------------------------------------------------------


@call
async def create_and_list_collections(d):
    await d.fresh("made")
    await d.got(d.db.create_collection("made"))
    names = await d.got(d.db.list_collection_names(filter={"name": {"$in": ["made", "users"]}}))
    return sorted(names)


@call
async def create_collection_again(d):
    await d.got(d.db.command("create", "made", capped=True, size=4096))


@call
async def list_collections(d):
    return await d.all(d.db.list_collections(filter={"name": "made"}))


@call
async def a_validator(d):
    await d.got(d.db.valid.drop())
    schema = {"$jsonSchema": {"required": ["email"], "properties": {"email": {"bsonType": "string"}}}}
    c = await d.got(d.db.create_collection("valid", validator=schema))
    await d.got(c.insert_one({"_id": 1, "email": "ada@example.org"}))
    await d.got(c.insert_one({"_id": 2}))


@call
async def collection_options(d):
    return await d.got(d.db.valid.options())


@call
async def coll_mod(d):
    return await d.got(d.db.command("collMod", "valid", validationLevel="off"))


@call
async def a_view(d):
    await d.got(d.db.evens.drop())
    await d.numbers()
    await d.got(d.db.create_collection("evens", viewOn="numbers", pipeline=[{"$match": {"even": True}}]))
    return await d.got(d.db.evens.count_documents({}))


@call
async def a_time_series(d):
    await d.got(d.db.weather.drop())
    c = await d.got(d.db.create_collection("weather", timeseries={"timeField": "at", "metaField": "where"}))
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    await d.got(c.insert_many([{"_id": n, "at": at, "where": "here", "t": n} for n in range(5)]))
    return await d.all(c.find({"t": {"$gte": 3}}).sort("t", 1))


@call
async def create_indexes(d):
    c = await d.fresh("indexed")
    models = [
        pymongo.IndexModel("a"), pymongo.IndexModel([("b", -1), ("c", 1)], name="both"),
        pymongo.IndexModel("email", unique=True, sparse=True), pymongo.IndexModel("at", expireAfterSeconds=3600),
        pymongo.IndexModel("p", partialFilterExpression={"p": {"$gt": 5}}), 
        pymongo.IndexModel([("place", "2dsphere")]), pymongo.IndexModel([("w.$**", 1)]),
    ]
    return await d.got(c.create_indexes(models))


@call
async def create_hashed_index(d):
    await d.got(d.db.indexed.create_index([("h", "hashed")]))


@call
async def create_text_index(d):
    await d.got(d.db.indexed.create_index([("t", "text")]))


@call
async def list_indexes(d):
    return await d.all(d.db.indexed.list_indexes())


@call
async def index_information(d):
    return sorted((await d.got(d.db.indexed.index_information())).items())


@call
async def an_index_with_other_options(d):
    await d.got(d.db.indexed.create_index("a", name="a_1", unique=True))


@call
async def a_unique_index_is_kept(d):
    await d.got(d.db.indexed.insert_one({"_id": 1, "email": "a"}))
    await d.got(d.db.indexed.insert_one({"_id": 2, "email": "a"}))


@call
async def places_near_a_point(d):
    c = d.db.indexed
    for n in range(3):
        await d.got(c.insert_one({"_id": 10 + n, "email": str(n), "place": {"type": "Point", "coordinates": [n, n]}}))
    near = {"$near": {"$geometry": {"type": "Point", "coordinates": [0.1, 0.1]}, "$maxDistance": 200_000}}
    return [one["_id"] for one in await d.all(c.find({"place": near}))]


@call
async def drop_indexes(d):
    await d.got(d.db.indexed.drop_index("a_1"))
    await d.got(d.db.indexed.drop_indexes())
    return [index["name"] for index in await d.all(d.db.indexed.list_indexes())]


@call
async def drop_unknown_index(d):
    await d.got(d.db.indexed.drop_index("nothing"))


@call
async def rename_collection(d):
    c = await d.fresh("before", {"_id": 1})
    await d.got(d.db.after.drop())
    await d.got(c.rename("after"))
    return await d.all(d.db.after.find())


@call
async def drop_collection(d):
    await d.got(d.db.after.drop())
    return await d.got(d.db.list_collection_names(filter={"name": "after"}))


@call
async def statistics(d):
    stats = await d.got(d.db.command("collStats", "numbers"))
    return [stats["count"], (await d.got(d.db.command("dbStats")))["ok"]]


@call
async def validate(d):
    return (await d.got(d.db.validate_collection("numbers")))["valid"]


# --- errors --------------------------------------------------------------------------------------


@call
async def unknown_command(d):
    await d.got(d.db.command("noSuchCommand"))


@call
async def unknown_operator(d):
    await d.all(d.db.users.find({"a": {"$nothing": 1}}))


@call
async def unknown_update_operator(d):
    await d.got(d.db.users.update_one({}, {"$nothing": {"a": 1}}))


@call
async def a_changed_id(d):
    await d.got(d.db.users.update_one({"_id": 1}, {"$set": {"_id": 2}}))


@call
async def a_wrong_type_of_argument(d):
    await d.got(d.db.command({"find": "users", "filter": "none"}))


@call
async def a_bad_collection_name(d):
    await d.got(d.db.command({"create": "a$b"}))


@call
async def a_wrong_password(d):
    client = d.open(password="wrong")
    try:
        await d.got(client[d.name].users.find_one())
    finally:
        await d.got(client.close())


@call
async def an_unknown_user(d):
    client = d.open(username="nobody", password="wrong")
    try:
        await d.got(client[d.name].users.find_one())
    finally:
        await d.got(client.close())


@call
async def a_database_of_somebody_else(d):
    await d.got(d.client["somebody_else"].users.find_one())


@call
async def a_stable_api_version(d):
    client = d.open(server_api=ServerApi("1", strict=True, deprecation_errors=True))
    try:
        return await d.got(client[d.name].users.find_one())
    finally:
        await d.got(client.close())


async def main():
    kind, address, user, password, database, *options = sys.argv[1:]
    options = dict(option.split("=", 1) for option in options)
    options = {key: {"true": True, "false": False}.get(value, value) for key, value in options.items()}
    driver = Driver(kind, address, user, password, database, options)
    for function in CALLS:
        try:
            line = {"result": await function(driver)}
        except Exception as error:  # whatever it is, it is what the call gave
            line = failed(error) | {"text": str(error) if not isinstance(error, errors.PyMongoError) else ""}
        line = {"call": function.__name__} | same(line, database)
        print(json_util.dumps(line, json_options=json_util.CANONICAL_JSON_OPTIONS, sort_keys=True), flush=True)
    await driver.got(driver.client.close())


asyncio.run(main())
