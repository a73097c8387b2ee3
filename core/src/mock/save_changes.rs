//! `save_changes` of Diesel, which each of its connections spells out by itself: an UPDATE, and then the row.

use diesel::associations::HasTable;
use diesel::dsl::Update;
use diesel::expression::{MixedAggregates, ValidGrouping, is_aggregate};
use diesel::query_builder::{AsChangeset, IntoUpdateTarget};
use diesel::query_dsl::{LoadQuery, UpdateAndFetchResults};
use diesel::result::QueryResult;
use diesel::{RunQueryDsl as _, Table};
// PostgreSQL answers the row of an UPDATE by itself.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
use diesel::{
    associations::Identifiable,
    dsl::Find,
    query_dsl::methods::{ExecuteDsl, FindDsl},
};

use super::Mock;

macro_rules! update_then_select {
    ($feature:literal, $backend:path) => {
        #[cfg(feature = $feature)]
        impl<'b, Changes, Output> UpdateAndFetchResults<Changes, Output> for Mock<$backend>
        where
            Changes: Copy + Identifiable,
            Changes: AsChangeset<Target = <Changes as HasTable>::Table> + IntoUpdateTarget,
            Changes::Table: FindDsl<Changes::Id>,
            Update<Changes, Changes>: ExecuteDsl<Self>,
            Find<Changes::Table, Changes::Id>: LoadQuery<'b, Self, Output>,
            <Changes::Table as Table>::AllColumns: ValidGrouping<()>,
            <<Changes::Table as Table>::AllColumns as ValidGrouping<()>>::IsAggregate:
                MixedAggregates<is_aggregate::No, Output = is_aggregate::No>,
        {
            fn update_and_fetch(&mut self, changes: Changes) -> QueryResult<Output> {
                diesel::update(changes).set(changes).execute(self)?;
                Changes::table().find(changes.id()).get_result(self)
            }
        }
    };
}
update_then_select!("sqlite", diesel::sqlite::Sqlite);
update_then_select!("mysql", diesel::mysql::Mysql);

#[cfg(feature = "postgres")]
impl<'b, Changes, Output> UpdateAndFetchResults<Changes, Output> for Mock<diesel::pg::Pg>
where
    Changes: Copy + AsChangeset<Target = <Changes as HasTable>::Table> + IntoUpdateTarget,
    Update<Changes, Changes>: LoadQuery<'b, Self, Output>,
    <Changes::Table as Table>::AllColumns: ValidGrouping<()>,
    <<Changes::Table as Table>::AllColumns as ValidGrouping<()>>::IsAggregate:
        MixedAggregates<is_aggregate::No, Output = is_aggregate::No>,
{
    fn update_and_fetch(&mut self, changes: Changes) -> QueryResult<Output> {
        diesel::update(changes).set(changes).get_result(self)
    }
}
