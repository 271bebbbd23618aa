// knex over mysql2: the query builder and transactions.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');

const [host, port, user, password, database, ca] = process.argv.slice(2);
const knex = require('knex')({
  client: 'mysql2',
  connection: {
    host, port: Number(port), user, password, database,
    ...(ca ? { ssl: { ca: fs.readFileSync(ca), verifyIdentity: true } } : {}),
  },
  pool: { min: 0, max: 4 },
});

async function main() {
  await knex('items').del();
  await knex.batchInsert('items', Array.from({ length: 500 }, (_, n) => ({ id: n, body: `row ${n} 🦀` })), 100);
  assert.strictEqual((await knex('items').where('body', 'like', '%🦀')).length, 500);
  await assert.rejects(knex.transaction(async (trx) => {
    await trx('items').del();
    await trx('items').insert({ id: 1 });
    await trx('items').insert({ id: 1 });
  }), { errno: 1062 });
  const [{ kept }] = await knex('items').count({ kept: '*' });
  assert.strictEqual(Number(kept), 500);
  await Promise.all(Array.from({ length: 40 }, async (_, n) => {
    const [[{ sum }]] = await knex.raw('SELECT ? + 1 AS sum', [n]);
    assert.strictEqual(Number(sum), n + 1);
  }));
  assert.ok(await knex.schema.hasTable('items'));
  assert.ok(await knex.schema.hasColumn('items', 'price'));
  let seen = 0;
  for await (const row of knex('numbers').select('n').stream()) seen += row.n >= 0 ? 1 : 0;
  assert.strictEqual(seen, 10000);
}

main()
  .then(() => console.log('ok'), (error) => { console.error(error); process.exitCode = 1; })
  .finally(() => knex.destroy());
