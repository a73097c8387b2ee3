//! Who writes a column.

use quote::quote;

use super::{refuses, says, with};

#[test]
fn a_function_makes_a_key() {
    says(
        with(quote!(#[model(default = uuid::v7)] id: Uuid, a: i32)),
        &[
            quote!(generated: false),
            quote! {
                fn make_key(&mut self) {
                    if self.id == <Uuid as ::core::default::Default>::default() {
                        self.id = uuid::v7();
                    }
                }
            },
            quote! {
                fn key(&self) -> ::core::option::Option<Self::Key> {
                    if self.id == <Uuid as ::core::default::Default>::default() {
                        return ::core::option::Option::None;
                    }
                }
            },
        ],
    );
    says(
        with(quote!(#[model(default = next)] id: i32)),
        &[quote!(generated: false)],
    );
    refuses(
        with(quote!(#[model(generated, default = next)] id: i32)),
        &["made by the `default` of the client"],
    );
    refuses(
        with(quote!(id: i32, #[model(default = next)] a: i32)),
        &["`default` makes a key, and this field is none"],
    );
    refuses(
        with(quote!(#[model(key, belongs_to = User, default = next)] user: i32)),
        &["remove `default`"],
    );
    refuses(
        with(quote!(#[model(default)] id: i32)),
        &["`default` is the path of a function"],
    );
}

#[test]
fn a_version_is_counted_or_made_in_three_other_ways() {
    let version = |version| with(quote!(id: i32, #[model(#version)] v: Etag));
    says(
        version(quote!(version = next)),
        &[
            quote!(version_kind: ::aludel::plumbing::VersionKind::Client),
            quote!(::core::option::Option::None if self.v == <Etag as ::core::default::Default>::default() =>
                self.v = next(::core::option::Option::None),),
            quote!(::core::option::Option::Some(loaded) if self.v == loaded.v =>
                self.v = next(::core::option::Option::Some(&loaded.v)),),
        ],
    );
    for (kind, written) in [
        (quote!(Manual), quote!(version(manual))),
        (quote!(Server), quote!(version(server))),
    ] {
        says(
            version(written.clone()),
            &[quote!(version_kind: ::aludel::plumbing::VersionKind::#kind)],
        );
        assert!(
            !super::macro_impl(version(written))
                .to_string()
                .contains("advance_version")
        );
    }
    refuses(
        version(quote!(version(manuel))),
        &["unknown version `manuel`; did you mean `manual`?"],
    );
    for unreadable in [quote!(version()), quote!(version(manual, server)), quote!(version = 5)] {
        let version = with(quote!(id: i32, #[model(#unreadable)] v: i32));
        refuses(version, &["a version is counted (`version`), made by a function"]);
    }
}

#[test]
fn roles_are_part_of_the_shape() {
    says(
        with(quote!(id: i32, #[model(read_only)] a: i32, #[model(server_default)] b: Option<i32>)),
        &[
            quote!(::aludel::plumbing::column(
                aludel_table::a,
                "a",
                ::aludel::plumbing::Role::ReadOnly
            )),
            quote!(::aludel::plumbing::column(
                aludel_table::b,
                "b",
                ::aludel::plumbing::Role::ServerDefault
            )),
            quote! {
                fn unset(&self) -> ::aludel::plumbing::Columns {
                    ::aludel::plumbing::Columns::NONE.and(::aludel::plumbing::Columns::one_if(
                        2,
                        self.b == <Option<i32> as ::core::default::Default>::default()
                    ))
                }
            },
        ],
    );
}

#[test]
fn times_are_stamped_and_deleted_rows_marked() {
    says(
        with(quote! {
            id: i32,
            #[model(created_at)] a: Time,
            #[model(created_at)] b: Option<Time>,
            #[model(updated_at)] c: Time,
            #[model(soft_delete)] d: Option<Time>
        }),
        &[
            quote!(soft_delete: ::core::option::Option::Some(4),),
            quote! {
                if what == ::aludel::plumbing::Stamp::Created {
                    self.a = <Time as ::aludel::Timestamp>::from_time(now);
                }
                if what == ::aludel::plumbing::Stamp::Created && self.b.is_none() {
                    self.b = <Option<Time> as ::aludel::Timestamp>::from_time(now);
                }
                self.c = <Time as ::aludel::Timestamp>::from_time(now);
                if what == ::aludel::plumbing::Stamp::Deleted && self.d.is_none() {
                    self.d = <Option<Time> as ::aludel::Timestamp>::from_time(now);
                }
            },
            quote!(.filter(aludel_table::d.is_null())),
        ],
    );
    says(
        with(quote!(id: i32, #[model(soft_delete, server_default)] gone: bool)),
        &[
            quote!(
                const SOFT_DELETE_IS_TIME: bool = false;
            ),
            quote!(if what == ::aludel::plumbing::Stamp::Deleted {
                self.gone = true;
            }),
            quote!(.filter(aludel_table::gone.eq(false))),
        ],
    );
    refuses(
        with(quote!(id: i32, #[model(soft_delete)] a: Time, #[model(soft_delete)] b: bool)),
        &[
            "is a time that is NULL until then, or a boolean",
            "a model has one mark of a deleted row, and `a` is it already",
        ],
    );
}

#[test]
fn one_writes_a_column() {
    refuses(
        with(quote! {
            #[model(updated_at, read_only)] id: i32,
            #[model(read_only, updated_at)] a: i32,
            #[model(version, server_default)] b: i32,
            #[model(created_at, soft_delete)] c: Option<Time>
        }),
        &[
            "a key that the database makes is `generated`; write that for `read_only`",
            "a key does not change; mark another field `updated_at`",
            "`read_only` says already who writes this column; keep it, or `updated_at`",
            "a version that the database makes is `version(server)`",
            "`created_at` says already who writes this column; keep it, or `soft_delete`",
        ],
    );
}

#[test]
fn what_only_diesel_would_heed_is_refused() {
    refuses(
        with(quote! {
            id: i32,
            #[diesel(serialize_as = A)] a: i32,
            #[diesel(select_expression = b, select_expression_type = B)] b: i32,
            #[diesel(deserialize_as = C)] c: i32
        }),
        &["`serialize_as` would say nothing", "an expression is none"],
    );
}
