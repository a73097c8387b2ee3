//! What becomes of children when their parent is deleted.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::at;
use crate::model::attr::OnDelete;
use crate::model::valid::{Children, Model};

/// `Persist::cascade`
pub(super) fn cascade(model: &Model<'_>) -> Option<TokenStream> {
    let children = model.children.iter().map(|children| {
        let child = &children.child;
        let foreign_key = foreign_key(model, children);
        let on_delete = match children.on_delete {
            OnDelete::Database => quote!(Database),
            OnDelete::Cascade => quote!(Cascade),
            OnDelete::SetNull(_) => quote!(SetNull),
        };
        quote_spanned!(at(child)=> cascading.children::<#child>(#foreign_key, ::aludel::OnDelete::#on_delete)?;)
    });
    (!model.children.is_empty()).then(|| {
        quote! {
            fn cascade<C>(cascading: &mut ::aludel::plumbing::Cascading<'_, C, Self>) -> ::aludel::Result<()>
            where
                C: ::aludel::Dialect<Backend = AludelBackend>,
            {
                #(#children)*
                ::core::result::Result::Ok(())
            }
        }
    })
}

/// NULL goes only where it can.
pub(super) fn nullable(model: &Model<'_>) -> TokenStream {
    let ident = model.ident;
    let checks = model.children.iter().filter_map(|children| {
        let OnDelete::SetNull(place) = &children.on_delete else {
            return None;
        };
        let (child, foreign_key) = (&children.child, foreign_key(model, children));
        Some(quote_spanned! {at(place)=>
            const _: () = {
                const FOREIGN_KEY: ::aludel::ForeignKey<#child, #ident> = #foreign_key;
                ::core::assert!(
                    FOREIGN_KEY.is_nullable(),
                    "`on_delete = \"set_null\"` needs a foreign key that can be NULL: write `Option` around the type of \
                     its field, or `on_delete = \"cascade\"`",
                );
            };
        })
    });
    quote!(#(#checks)*)
}

/// The one that is named, or the only one.
fn foreign_key(model: &Model<'_>, children: Children<'_>) -> TokenStream {
    let (ident, child) = (model.ident, &children.child);
    if let Some(name) = &children.foreign_key {
        return quote_spanned!(at(name)=> <#child>::#name);
    }
    quote_spanned!(at(child)=> <#child as ::aludel::BelongsTo<#ident>>::FOREIGN_KEY)
}
