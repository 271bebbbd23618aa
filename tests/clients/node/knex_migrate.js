// knex migrations up to a stage: 1 or 2.
'use strict';
const fs = require('node:fs');

const [host, port, user, password, database, ca, stage] = process.argv.slice(2);

const migrations = {
  '1_users': async (knex) => {
    await knex.schema.createTable('users', (table) => {
      table.increments('id');
      table.string('email', 190).notNullable().unique();
      table.enu('role', ['admin', 'user']).defaultTo('user');
      table.json('profile');
      table.timestamps(true, true);
    });
    await knex.schema.createTable('posts', (table) => {
      table.bigIncrements('id');
      table.integer('author').unsigned().references('users.id').onDelete('CASCADE');
      table.text('body', 'mediumtext').collate('utf8mb4_bin');
      table.boolean('draft').defaultTo(true);
      table.index(['author', 'draft'], 'posts_of');
    });
  },
  '2_more': async (knex) => {
    await knex('users').insert({ email: 'dev@example.org' });
    await knex.schema.alterTable('users', (table) => {
      table.string('name', 80).notNullable().defaultTo('').after('email');
      table.decimal('balance', 12, 2).unsigned();
      table.dropColumn('profile');
    });
    await knex.schema.alterTable('posts', (table) => {
      table.renameColumn('body', 'text');
      table.dropForeign('author');
      table.foreign('author').references('users.id').onDelete('SET NULL');
    });
    await knex.schema.renameTable('posts', 'articles');
    await knex.schema.createView('drafts', (view) => {
      view.columns(['id', 'text']);
      view.as(knex('articles').select('id', 'text').where('draft', true));
    });
    await knex.schema.raw('CREATE FULLTEXT INDEX articles_text ON articles (text)');
  },
};

const source = {
  getMigrations: async () => Object.keys(migrations).slice(0, Number(stage)),
  getMigrationName: (name) => name,
  getMigration: async (name) => ({ up: migrations[name], down: async () => {} }),
};

const knex = require('knex')({
  client: 'mysql2',
  connection: {
    host, port: Number(port), user, password, database,
    ...(ca ? { ssl: { ca: fs.readFileSync(ca), verifyIdentity: true } } : {}),
  },
});

knex.migrate.latest({ migrationSource: source })
  .then(() => console.log('ok'), (error) => { console.error(error); process.exitCode = 1; })
  .finally(() => knex.destroy());
