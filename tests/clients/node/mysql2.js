// mysql2: text and prepared statements, a pool, streams, COM_CHANGE_USER, KILL QUERY.
// Arguments of every script here: host, port, user, password, database, certificate authority or "".
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const mysql = require('mysql2/promise');

const [host, port, user, password, database, ca] = process.argv.slice(2);
const options = {
  host,
  port: Number(port),
  user,
  password,
  database,
  multipleStatements: true,
  ...(ca ? { ssl: { ca: fs.readFileSync(ca), verifyIdentity: true } } : {}),
};

async function main() {
  const db = await mysql.createConnection(options);
  await db.query('DELETE FROM items');
  const body = 'ü🦀'.repeat(1000);
  await db.query('INSERT INTO items (id, body, raw) VALUES (?, ?, ?)', [1, body, Buffer.from([0, 255, 39])]);
  const [text] = await db.query('SELECT body, raw FROM items WHERE id = ?', [1]);
  assert.deepStrictEqual(text[0], { body, raw: Buffer.from([0, 255, 39]) });
  const [binary] = await db.execute('SELECT body, raw FROM items WHERE id = ?', [1]);
  assert.deepStrictEqual(binary[0], text[0]);
  for (let n = 2; n < 100; n++) {
    await db.execute('INSERT INTO items (id, body, price, made) VALUES (?, ?, ?, ?)', [
      n, `row ${n}`, n / 4, new Date(0),
    ]);
  }
  const [rows] = await db.execute('SELECT n FROM numbers ORDER BY n');
  assert.strictEqual(rows.length, 10000);

  await db.beginTransaction();
  await db.execute('DELETE FROM items');
  await db.rollback();
  const [[{ kept }]] = await db.query('SELECT COUNT(*) AS kept FROM items');
  assert.strictEqual(kept, 99);

  const big = 'x'.repeat(17 << 20);
  await db.beginTransaction();
  await db.execute('UPDATE items SET body = ? WHERE id = 1', [big]);
  const [[row]] = await db.execute('SELECT body FROM items WHERE id = 1');
  assert.ok(row.body === big);
  await db.rollback();

  const [several] = await db.query('SELECT 1 AS a; SELECT 2 AS b; UPDATE items SET price = 1; SELECT 4 AS c');
  assert.deepStrictEqual(several[0], [{ a: 1 }]);
  assert.deepStrictEqual(several[3], [{ c: 4 }]);
  const [called] = await db.query('CALL two_results(7)');
  assert.strictEqual(called[1].length, 2);

  for (const [sql, number] of [['SELECT * FROM nowhere', 1146], ['INSERT INTO items (id) VALUES (1)', 1062]]) {
    await assert.rejects(db.query(sql), { errno: number });
    await assert.rejects(db.execute(sql), { errno: number });
  }

  const other = await mysql.createConnection(options);
  const sleeping = db.query('SELECT SLEEP(600) AS slept').then(
    ([[{ slept }]]) => assert.strictEqual(slept, 1),
    (error) => assert.strictEqual(error.errno, 1317),
  );
  setTimeout(() => other.query(`KILL QUERY ${db.threadId}`), 500);
  await sleeping;
  await db.changeUser({ user, password, database });
  const [[who]] = await db.query('SELECT DATABASE() AS name');
  assert.strictEqual(who.name, database);
  await other.end();
  await db.end();

  const pool = mysql.createPool({ ...options, connectionLimit: 4 });
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) => pool.execute('SELECT ? + 1 AS sum', [n])),
  );
  answers.forEach(([[{ sum }]], n) => assert.strictEqual(Number(sum), n + 1));
  const connection = await pool.getConnection();
  let seen = 0;
  await new Promise((resolve, reject) => {
    connection.connection.query('SELECT n FROM numbers').stream()
      .on('data', () => { seen += 1; }).on('end', resolve).on('error', reject);
  });
  assert.strictEqual(seen, 10000);
  connection.release();
  await pool.end();
  console.log('ok');
}

main().catch((error) => { console.error(error); process.exit(1); });
