// sequelize over mysql2: models on tables that exist already, transactions, its look at the schema.
'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const { DataTypes, Sequelize, UniqueConstraintError } = require('sequelize');

const [host, port, user, password, database, ca] = process.argv.slice(2);
const sequelize = new Sequelize(database, user, password, {
  host,
  port: Number(port),
  dialect: 'mysql',
  logging: false,
  pool: { max: 4 },
  dialectOptions: ca ? { ssl: { ca: fs.readFileSync(ca), verifyIdentity: true } } : {},
});
const Item = sequelize.define('item', {
  id: { type: DataTypes.INTEGER, primaryKey: true },
  body: DataTypes.TEXT('long'),
  raw: DataTypes.BLOB('long'),
  price: DataTypes.DECIMAL(10, 2),
  made: DataTypes.DATE(6),
}, { tableName: 'items', timestamps: false });

async function main() {
  await sequelize.authenticate();
  await Item.destroy({ where: {} });
  await Item.bulkCreate(Array.from({ length: 300 }, (_, n) => ({ id: n, body: `row ${n} 🦀`, made: new Date(0) })));
  assert.strictEqual(await Item.count(), 300);
  const [item] = await Item.findOrCreate({ where: { id: 7 } });
  assert.strictEqual(item.body, 'row 7 🦀');
  await item.update({ price: '12.50' });
  await assert.rejects(sequelize.transaction(async (transaction) => {
    await Item.destroy({ where: {}, transaction });
    await Item.create({ id: 1 }, { transaction });
    await Item.create({ id: 1 }, { transaction });
  }), UniqueConstraintError);
  assert.strictEqual(await Item.count(), 300);
  const found = await Promise.all(Array.from({ length: 40 }, (_, n) => Item.findByPk(n)));
  found.forEach((row, n) => assert.strictEqual(row.body, `row ${n} 🦀`));
  const described = await sequelize.getQueryInterface().describeTable('items');
  assert.deepStrictEqual(Object.keys(described), ['id', 'body', 'raw', 'price', 'made']);
}

main()
  .then(() => console.log('ok'), (error) => { console.error(error); process.exitCode = 1; })
  .finally(() => sequelize.close());
