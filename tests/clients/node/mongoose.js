// mongoose: models, validation, population, transactions, aggregation; and what autoIndex does.
// Arguments: connection string, certificate authority or "", autoIndex "yes" or "no", value.
// The database is empty before and holds users = [{_id: 1, name: value}] behind it.
//
// With autoIndex, which is mongoose's default, each process that loads a model makes its collection
// and its indexes. A tenant may not: the model then has an error, and its indexes come from the
// blueprint. So applications set autoIndex and autoCreate to false, and a script in the workspace
// calls syncIndexes.
'use strict';
const assert = require('node:assert');
const mongoose = require('mongoose');

const [url, ca, autoIndex, value] = process.argv.slice(2);
const tls = ca ? { tls: true, tlsCAFile: ca } : {};

async function main() {
  const makes = autoIndex === 'yes';
  const options = { autoIndex: makes, autoCreate: makes, serverSelectionTimeoutMS: 20000, ...tls };
  const db = await mongoose.createConnection(url, options).asPromise();
  const User = db.model('User', new mongoose.Schema({
    _id: Number,
    name: { type: String, required: true, index: true },
    email: { type: String, unique: true, sparse: true },
  }, { versionKey: false }));
  const Order = db.model('Order', new mongoose.Schema({
    user: { type: Number, ref: 'User' },
    total: Number,
  }));
  const structure = await Promise.allSettled([User.init(), Order.init()]);
  const refused = structure.filter((one) => one.status === 'rejected').map((one) => one.reason.code);
  if (!makes) assert.deepStrictEqual(refused, []);
  if (refused.length > 0) {
    console.log(`refused ${refused}`);
    await db.close();
    return;
  }

  await User.create({ _id: 1, name: value });
  await assert.rejects(User.create({ _id: 2 }), /required/);
  await assert.rejects(User.create({ _id: 1, name: 'again' }), { code: 11000 });
  await Order.insertMany([{ user: 1, total: 5 }, { user: 1, total: 6 }]);
  const orders = await Order.find().sort('total').populate('user').lean();
  assert.deepStrictEqual(orders.map((order) => [order.user.name, order.total]), [[value, 5], [value, 6]]);
  await db.transaction(async (session) => {
    const order = await Order.findOne({ total: 5 }).session(session);
    order.total = 7;
    await order.save({ session });
  });
  const [sum] = await Order.aggregate([{ $group: { _id: '$user', sum: { $sum: '$total' } } }]);
  assert.deepStrictEqual(sum, { _id: 1, sum: 13 });
  let seen = 0;
  for await (const order of Order.find().cursor({ batchSize: 1 })) seen += order.total;
  assert.strictEqual(seen, 13);
  assert.strictEqual((await Order.deleteMany({})).deletedCount, 2);
  await db.close();
  console.log('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
