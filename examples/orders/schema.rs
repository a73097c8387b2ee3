//! The tables, as Diesel has them.

use diesel::connection::SimpleConnection;

use crate::Db;

diesel::table! { products (id) { id -> Integer, name -> Text, price -> BigInt, in_stock -> BigInt, version -> Integer, } }
diesel::table! { orders (id) { id -> Integer, customer -> Text, product -> Integer, quantity -> BigInt, total -> BigInt, } }
diesel::table! { payments (id) { id -> Integer, order_id -> Integer, amount -> BigInt, } }
diesel::table! { vouchers (code) { code -> Text, order_id -> Integer, } }
diesel::table! { letters (id) { id -> Integer, order_id -> Integer, text -> Text, sent -> Bool, } }

pub(crate) fn create(session: &mut Db) -> aludel::Result<()> {
    Ok(session.batch_execute(
        "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price BIGINT NOT NULL,
             in_stock BIGINT NOT NULL CHECK (in_stock >= 0), version INTEGER NOT NULL);
         CREATE TABLE orders (id INTEGER PRIMARY KEY, customer TEXT NOT NULL, product INTEGER NOT NULL,
             quantity BIGINT NOT NULL, total BIGINT NOT NULL);
         CREATE TABLE payments (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL UNIQUE, amount BIGINT NOT NULL);
         CREATE TABLE vouchers (code TEXT PRIMARY KEY, order_id INTEGER NOT NULL);
         CREATE TABLE letters (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, text TEXT NOT NULL,
             sent BOOLEAN NOT NULL);",
    )?)
}
