//! What is on the shelf.

use aludel::current_with;
use aludel::prelude::*;
use diesel::prelude::*;

use crate::Db;
use crate::schema::products;
use crate::shop::Refusal;

#[derive(Model, Queryable, Selectable, Clone, Debug)]
#[diesel(table_name = products)]
pub(crate) struct Product {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) price: i64,
    pub(crate) in_stock: i64,
    #[model(version)]
    pub(crate) version: i32,
}

const NAMES: [&str; 3] = ["alembic", "crucible", "retort"];

/// Takes goods from the shelf, and answers what one of them costs.
#[transactional(mandatory)]
pub(crate) fn take(product: i32, quantity: i64) -> Result<i64, Refusal> {
    current_with(|db: &mut Db| {
        let product = db.get_one::<Product>(product)?;
        let Product {
            id, in_stock, price, ..
        } = *db.read(product)?;
        if in_stock < quantity {
            return Err(Refusal::SoldOut {
                product: id,
                left: in_stock,
            });
        }
        db.edit(product)?.in_stock -= quantity;
        Ok(price)
    })
}

/// So many of each product, in the morning.
pub(crate) fn fill(db: &mut Db, of_each: i64) {
    for (id, name) in (1..).zip(NAMES) {
        db.add(Product {
            id,
            name: name.to_owned(),
            price: i64::from(id) * 100,
            in_stock: of_each,
            version: 0,
        });
    }
}
