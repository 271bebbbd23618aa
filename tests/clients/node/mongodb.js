// The driver mongodb: documents, cursors, aggregation, bulk writes, transactions, change streams,
// GridFS, errors. Arguments: connection string, certificate authority or "", value.
// The database is empty before and holds users = [{_id: 1, name: value}] behind it.
'use strict';
const assert = require('node:assert');
const { GridFSBucket, MongoClient } = require('mongodb');

const [url, ca, value] = process.argv.slice(2);
const tls = ca ? { tls: true, tlsCAFile: ca } : {};
const options = { serverSelectionTimeoutMS: 20000, ...tls };

async function documents(db) {
  const users = db.collection('users');
  const inserted = await users.insertOne({ _id: 1, name: value });
  assert.strictEqual(inserted.insertedId, 1);
  assert.deepStrictEqual(await users.findOne({ _id: 1 }), { _id: 1, name: value });
  await assert.rejects(users.insertOne({ _id: 1 }), { code: 11000 });
  const numbers = db.collection('numbers');
  await numbers.insertMany([...Array(1000).keys()].map((n) => ({ _id: n, n, even: n % 2 === 0 })));
  const found = await numbers.find({ even: true }).sort({ n: 1 }).batchSize(7).toArray();
  assert.deepStrictEqual(found.map((one) => one.n), [...Array(500).keys()].map((n) => 2 * n));
  for await (const one of numbers.find().batchSize(5)) {
    if (one.n >= 20) break;
  }
  const sums = await numbers
    .aggregate([{ $group: { _id: '$even', sum: { $sum: '$n' } } }, { $sort: { _id: 1 } }])
    .toArray();
  assert.deepStrictEqual(sums, [{ _id: false, sum: 250000 }, { _id: true, sum: 249500 }]);
  const bulk = await numbers.bulkWrite([
    { updateOne: { filter: { _id: 1 }, update: { $set: { a: 1 } } } },
    { deleteMany: { filter: { n: { $gte: 990 } } } },
    { replaceOne: { filter: { _id: 5000 }, replacement: { n: 5000 }, upsert: true } },
  ]);
  assert.deepStrictEqual([bulk.modifiedCount, bulk.deletedCount, bulk.upsertedCount], [1, 10, 1]);
  await numbers.insertOne({ _id: 6000 }, { writeConcern: { w: 0 } });
  const changed = await numbers.findOneAndUpdate(
    { _id: 1 }, { $inc: { a: 1 } }, { returnDocument: 'after' },
  );
  assert.strictEqual(changed.a, 2);
  await assert.rejects(numbers.find({ n: { $nothing: 1 } }).toArray(), { code: 2 });
}

// Many at once, over the driver's own pool.
async function atOnce(db) {
  const numbers = db.collection('numbers');
  const wanted = [...Array(200).keys()];
  const found = await Promise.all(wanted.map((n) => numbers.findOne({ _id: n })));
  assert.deepStrictEqual(found.map((one) => one.n), wanted);
}

async function transactions(client, db) {
  const accounts = db.collection('accounts');
  await accounts.insertMany([{ _id: 1, n: 10 }, { _id: 2, n: 0 }]);
  await client.withSession((session) => session.withTransaction(async () => {
    await accounts.updateOne({ _id: 1 }, { $inc: { n: -3 } }, { session });
    await accounts.updateOne({ _id: 2 }, { $inc: { n: 3 } }, { session });
    assert.strictEqual((await accounts.findOne({ _id: 1 })).n, 10);
  }));
  assert.deepStrictEqual((await accounts.find().sort({ _id: 1 }).toArray()).map((a) => a.n), [7, 3]);
  const session = client.startSession();
  session.startTransaction();
  await accounts.deleteMany({}, { session });
  await session.abortTransaction();
  await session.endSession();
  assert.strictEqual(await accounts.countDocuments(), 2);
}

async function changes(db) {
  const stream = db.collection('watched').watch([], { maxAwaitTimeMS: 200 });
  const first = stream.next();
  // The stream begins at its first request, which nothing here can see.
  const writing = (async () => {
    for (let n = 0; n < 200; n += 1) {
      await db.collection('watched').insertOne({ n });
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (writing.done) return;
    }
  })();
  const change = await first;
  writing.done = true;
  await writing;
  assert.strictEqual(change.operationType, 'insert');
  assert.strictEqual(change.ns.db, db.databaseName);
  await stream.close();
}

async function files(db) {
  const bucket = new GridFSBucket(db);
  const data = Buffer.alloc(1 << 20, value);
  const upload = bucket.openUploadStream('one');
  await new Promise((resolve, reject) => upload.on('error', reject).end(data, resolve));
  const parts = await bucket.openDownloadStreamByName('one').toArray();
  assert.ok(Buffer.concat(parts).equals(data));
}

async function main() {
  const client = new MongoClient(url, options);
  await client.connect();
  const db = client.db();
  assert.deepStrictEqual(await db.collection('users').countDocuments(), 0);
  await documents(db);
  await atOnce(db);
  await transactions(client, db);
  await changes(db);
  await files(db);
  for (const name of ['numbers', 'accounts', 'watched', 'fs.files', 'fs.chunks']) {
    await db.collection(name).drop();
  }
  await client.close();

  const wrong = new MongoClient(url.replace(/:[^:@/]+@/, ':wrong@'), options);
  await assert.rejects(wrong.connect(), { code: 18 });
  await wrong.close();
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
