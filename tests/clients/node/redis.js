// node-redis: commands, automatic pipelines, transactions, iteration, subscriptions.
// Arguments: host, port, user, password, certificate authority or "", protocol 2 or 3, value.
// The database is empty before and holds user:1 = value behind it.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const { createClient } = require('redis');

const [host, port, user, password, ca, protocol, value] = process.argv.slice(2);
const tls = ca ? { tls: true, ca: fs.readFileSync(ca), servername: 'localhost' } : {};
const options = (username, secret) => ({
  username,
  password: secret,
  RESP: Number(protocol),
  socket: { host, port: Number(port), reconnectStrategy: false, ...tls },
});

async function main() {
  const db = createClient(options(user, password));
  db.on('error', () => {});
  await db.connect();
  assert.deepStrictEqual(await db.keys('*'), []);
  assert.strictEqual(await db.set('user:1', value), 'OK');
  assert.strictEqual(await db.get('user:1'), value);
  assert.strictEqual(await db.get('user:2'), null);
  const big = 'ü🦀'.repeat(100000);
  await db.set('big', big);
  assert.strictEqual(await db.get('big'), big);
  // One tick, one pipeline.
  const numbers = [...Array(1000).keys()];
  await Promise.all(numbers.map((n) => db.set(`p:${n}`, `${n}`)));
  const got = await Promise.all(numbers.map((n) => db.get(`p:${n}`)));
  assert.deepStrictEqual(got, numbers.map(String));
  const seen = new Set();
  for await (const keys of db.scanIterator({ MATCH: 'p:*', COUNT: 100 })) {
    for (const key of [keys].flat()) seen.add(key);
  }
  assert.strictEqual(seen.size, 1000);
  const replies = await db.multi().set('m', '1').incr('m').lPop('none').get('m').exec();
  assert.deepStrictEqual(replies, ['OK', 2, null, '2']);
  await db.rPush('queue', ['one', 'two']);
  const popped = await db.blPop(['none', 'queue'], 1);
  assert.deepStrictEqual({ ...popped }, { key: 'queue', element: 'one' });
  await db.hSet('hash', { a: '1', b: value });
  assert.deepStrictEqual({ ...(await db.hGetAll('hash')) }, { a: '1', b: value });
  const script = "return {KEYS[1], redis.call('get', KEYS[1])}";
  assert.deepStrictEqual(await db.eval(script, { keys: ['m'], arguments: [] }), ['m', '2']);
  await assert.rejects(db.lPush('m', 'x'), /WRONGTYPE/);

  const subscriber = db.duplicate();
  subscriber.on('error', () => {});
  await subscriber.connect();
  const messages = [];
  const three = new Promise((resolve) => {
    const note = (message, channel) => messages.push([channel, message]) === 3 && resolve();
    subscriber.subscribe('news', note);
    subscriber.pSubscribe('n?ws', note);
    subscriber.sSubscribe('shard', note);
  });
  while ((await db.pubSubNumSub('news')).news !== 1) await new Promise((r) => setTimeout(r, 5));
  while ((await db.pubSubShardNumSub('shard')).shard !== 1) await new Promise((r) => setTimeout(r, 5));
  while (Number(await db.sendCommand(['PUBSUB', 'NUMPAT'])) < 1) await new Promise((r) => setTimeout(r, 5));
  await db.publish('news', value);
  await db.sPublish('shard', value);
  await three;
  assert.deepStrictEqual(messages.sort(), [['news', value], ['news', value], ['shard', value]]);
  await subscriber.unsubscribe('news');
  subscriber.destroy();

  const stranger = createClient(options(user, 'wrong'));
  stranger.on('error', () => {});
  await assert.rejects(stranger.connect(), /WRONGPASS/);

  await db.unlink(['big', 'm', 'queue', 'hash', ...numbers.map((n) => `p:${n}`)]);
  assert.deepStrictEqual(await db.keys('*'), ['user:1']);
  await db.close();
  process.stdout.write('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
