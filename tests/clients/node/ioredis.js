// ioredis: commands, pipelines, transactions, streams of keys, scripts, subscriptions, offline queue.
// Arguments: host, port, user, password, certificate authority or "", protocol 2 or 3, value.
// The database is empty before and holds user:1 = value behind it. ioredis speaks RESP2 alone.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const Redis = require('ioredis');

const [host, port, username, password, ca, , value] = process.argv.slice(2);
const options = {
  host,
  port: Number(port),
  username,
  password,
  retryStrategy: null,
  maxRetriesPerRequest: 0,
  ...(ca ? { tls: { ca: fs.readFileSync(ca), servername: 'localhost' } } : {}),
};

async function main() {
  const db = new Redis({ ...options, connectionName: 'tests' });
  assert.deepStrictEqual(await db.keys('*'), []);
  assert.strictEqual(await db.client('GETNAME'), 'tests');
  assert.strictEqual(await db.set('user:1', value), 'OK');
  assert.strictEqual(await db.get('user:1'), value);
  const big = Buffer.alloc(1 << 20, 0xff);
  await db.set('big', big);
  assert.ok(big.equals(await db.getBuffer('big')));
  const pipeline = db.pipeline();
  for (let n = 0; n < 1000; n++) pipeline.set(`p:${n}`, n).get(`p:${n}`);
  const replies = await pipeline.exec();
  assert.ok(replies.every(([error]) => error === null));
  assert.strictEqual(replies[1999][1], '999');
  const seen = new Set();
  for await (const keys of db.scanStream({ match: 'p:*', count: 100 })) keys.forEach((k) => seen.add(k));
  assert.strictEqual(seen.size, 1000);
  const results = await db.multi().set('m', 1).incr('m').get('m').exec();
  assert.deepStrictEqual(results, [[null, 'OK'], [null, 2], [null, '2']]);
  await assert.rejects(db.multi().set('m').exec(), /EXECABORT/);
  db.defineCommand('both', { numberOfKeys: 1, lua: "return {KEYS[1], redis.call('get', KEYS[1])}" });
  assert.deepStrictEqual(await db.both('m'), ['m', '2']);
  assert.deepStrictEqual(await db.both('m'), ['m', '2']);
  await db.rpush('queue', 'one', 'two');
  assert.deepStrictEqual(await db.blpop('none', 'queue', 1), ['queue', 'one']);
  await db.xadd('stream', '1-1', 'f', value);
  assert.deepStrictEqual(await db.xread('STREAMS', 'stream', '0'), [['stream', [['1-1', ['f', value]]]]]);
  await assert.rejects(db.lpush('m', 'x'), /WRONGTYPE/);

  const subscriber = db.duplicate();
  const messages = [];
  const both = new Promise((resolve) => {
    const note = (...message) => messages.push(message) === 2 && resolve();
    subscriber.on('message', note);
    subscriber.on('pmessage', note);
  });
  assert.strictEqual(await subscriber.subscribe('news'), 1);
  assert.strictEqual(await subscriber.psubscribe('n?ws'), 2);
  assert.strictEqual(await db.publish('news', value), 2);
  await both;
  assert.deepStrictEqual(messages.sort(), [['n?ws', 'news', value], ['news', value]]);
  await subscriber.unsubscribe('news');
  await subscriber.punsubscribe('n?ws');
  assert.strictEqual(await subscriber.get('user:1'), value);
  subscriber.disconnect();

  const stranger = new Redis({ ...options, password: 'wrong', lazyConnect: true });
  stranger.on('error', () => {});
  await assert.rejects(stranger.ping(), /WRONGPASS|Connection is closed|max retries/);
  stranger.disconnect();

  const rest = [...Array(1000).keys()].map((n) => `p:${n}`);
  await db.unlink('big', 'm', 'queue', 'stream', ...rest);
  assert.deepStrictEqual(await db.keys('*'), ['user:1']);
  await db.quit();
  process.stdout.write('ok');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
