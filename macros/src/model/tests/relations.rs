//! Parents and children.

use proc_macro2::TokenStream;
use quote::quote;

use super::{macro_impl, refuses, says};

fn book(relations: TokenStream) -> TokenStream {
    quote! {
        #[diesel(table_name = books)]
        #[model(#relations)]
        pub struct Book { id: i32, room: String, shelf: Option<i32> }
    }
}

#[test]
fn a_foreign_key_of_several_columns() {
    says(
        book(quote!(belongs_to(place::BookShelf, foreign_key(room, shelf)))),
        &[
            quote! {
                #[doc = "The foreign key `room, shelf`."]
                pub const BOOK_SHELF: ::aludel::ForeignKey<Self, place::BookShelf> =
                    ::aludel::ForeignKey::<Self, place::BookShelf>::new("room, shelf", &[1, 2], true, |child|
                        ::core::option::Option::Some((
                            ::core::clone::Clone::clone(&child.room),
                            ::core::clone::Clone::clone(&child.shelf)?,
                        )),
                    )
            },
            quote! {
                |child, key| match key {
                    ::core::option::Option::Some(key) => {
                        child.room = key.0;
                        child.shelf = ::core::option::Option::Some(key.1);
                    }
                    ::core::option::Option::None => {
                        child.shelf = ::core::option::Option::None;
                    }
                }
            },
        ],
    );
    says(
        book(quote!(belongs_to(Shelf, foreign_key(room, shelf), name = PLACE))),
        &[quote!(pub const PLACE: ::aludel::ForeignKey<Self, Shelf>)],
    );
}

#[test]
fn a_key_that_is_a_parents_is_not_made_by_the_database() {
    let profile = quote! {
        #[diesel(table_name = profiles)]
        #[model(belongs_to(User, foreign_key(id)))]
        struct Profile { id: i32 }
    };
    says(profile, &[quote!(generated: false)]);
}

#[test]
fn mistakes_in_a_foreign_key() {
    let unreadable = "on a struct it is `belongs_to(Author, foreign_key(country, number))`";
    for relation in [
        quote!(belongs_to = Shelf),
        quote!(belongs_to(Shelf)),
        quote!(belongs_to(Shelf, foreign_key = room)),
        quote!(belongs_to(5, foreign_key(room))),
        quote!(belongs_to()),
    ] {
        refuses(book(relation), &[unreadable]);
    }
    refuses(
        book(quote!(belongs_to(
            Shelf,
            foreign_key(rom, shelf, shelf),
            nam = A,
            name = 5
        ))),
        &[
            "unknown key `nam`; did you mean `name`?",
            "`name` is the name of a constant",
            "unknown field `rom`; did you mean `room`?",
            "`shelf` is named twice",
        ],
    );
    refuses(
        book(quote!(
            belongs_to(Shelf, foreign_key(room), foreign_key(shelf)),
            belongs_to(Shelf, foreign_key(shelf))
        )),
        &[
            "`foreign_key` is given twice",
            "there is another foreign key `SHELF` already",
        ],
    );
}

#[test]
fn children_of_what_is_deleted() {
    says(
        book(quote!(
            has_many(a::Page, on_delete = "cascade"),
            has_many(Loan, foreign_key = LENT, on_delete = "set_null"),
            has_many(Mark)
        )),
        &[
            quote! {
                cascading.children::<a::Page>(
                    <a::Page as ::aludel::BelongsTo<Book>>::FOREIGN_KEY,
                    ::aludel::OnDelete::Cascade
                )?;
                cascading.children::<Loan>(<Loan>::LENT, ::aludel::OnDelete::SetNull)?;
                ::core::result::Result::Ok(())
            },
            quote!(
                const FOREIGN_KEY: ::aludel::ForeignKey<Loan, Book> = <Loan>::LENT;
            ),
        ],
    );
    let database = book(quote!(has_many(Page, on_delete = "database")));
    assert!(!macro_impl(database).to_string().contains("cascade"));
    refuses(
        book(quote!(
            has_many(Page, on_delete = "cascde", foreign_key = book_id),
            has_many = Page,
            has_many(Mark),
            has_many(Mark, on_delete = cascade, ondelete = 1),
            hasmany(Mark)
        )),
        &[
            "`foreign_key` is the constant that the child's derive makes: `BOOK_ID`",
            "unknown `on_delete` `cascde`; did you mean `cascade`?",
            "a model comes first",
            "`on_delete` is \"database\", \"cascade\" or \"set_null\"",
            "unknown key `ondelete`; did you mean `on_delete`?",
            "unknown key `hasmany`; did you mean `has_many`?",
            "these children are named already",
        ],
    );
    refuses(
        quote!(
            #[diesel(table_name = a)]
            struct A {
                #[model(has_many(B))]
                id: i32,
            }
        ),
        &["`has_many` belongs on the struct"],
    );
}

#[test]
fn what_refers_to_a_model_with_a_mistake_is_still_right() {
    let book = quote! {
        #[diesel(table_name = books)]
        #[model(belongs_to(Shelf, foreign_key(room, shelve)))]
        pub struct Book { #[model(key)] code: String, #[model(key)] room: String, #[model(belongs_to = Author)] author: i32 }
    };
    says(
        book,
        &[
            quote!(::aludel::__model_fallback! { model: Book, key: (String, String,) }),
            quote!(impl ::aludel::BelongsTo<Author> for Book { const FOREIGN_KEY: ::aludel::ForeignKey<Self, Author> = Self::AUTHOR; }),
            quote!(pub const AUTHOR: ::aludel::ForeignKey<Self, Author>),
            quote!(pub const SHELF: ::aludel::ForeignKey<Self, Shelf>),
        ],
    );
}
