//! Questions about a type that can be answered from how it is written.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Ident, Lifetime, ParenthesizedGenericArguments, Path, Type, TypeBareFn, TypeImplTrait, TypeParamBound,
    TypeReference,
};

/// The type without the parentheses and invisible groups around it.
pub(crate) fn peel(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peel(&group.elem),
        Type::Paren(paren) => peel(&paren.elem),
        ty => ty,
    }
}

/// `Session` of `aludel::Session<C>`.
pub(crate) fn last_segment(ty: &Type) -> Option<&Ident> {
    match peel(ty) {
        Type::Path(path) if path.qself.is_none() => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

/// `Session<C>` of `&Session<C>` and of itself.
pub(crate) fn owned(ty: &Type) -> &Type {
    match peel(ty) {
        Type::Reference(reference) => owned(&reference.elem),
        ty => ty,
    }
}

/// The names that the type goes by: its own, or those of the traits that `impl` and `dyn` name.
pub(crate) fn names(ty: &Type) -> Vec<&Ident> {
    let bounds = match ty {
        Type::ImplTrait(ty) => &ty.bounds,
        Type::TraitObject(ty) => &ty.bounds,
        ty => return last_segment(ty).into_iter().collect(),
    };
    let mut names = Vec::new();
    for bound in bounds {
        if let TypeParamBound::Trait(bound) = bound {
            names.extend(bound.path.segments.last().map(|segment| &segment.ident));
        }
    }
    names
}

/// Whether this is an integer type that a key made by the database, or a version, can have.
pub(crate) fn is_integer(ty: &Type) -> bool {
    let integers = ["i16", "i32", "i64", "u16", "u32", "u64"];
    last_segment(ty).is_some_and(|name| integers.iter().any(|integer| name == integer))
}

/// Whether it is an `Option`, by this name.
pub(crate) fn is_option(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|name| name == "Option")
}

/// Whether it is `bool`, by this name.
pub(crate) fn is_bool(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|name| name == "bool")
}

/// What a type mentions, functions that it only describes (`fn(&mut T)`, `Fn(&T) -> &T`) left out.
#[derive(Default)]
pub(crate) struct Mentions {
    /// `&mut` anywhere.
    pub(crate) exclusive: bool,
    /// `&` without a lifetime, or `'_`.
    pub(crate) elided: bool,
    /// `impl Trait`.
    pub(crate) impl_trait: bool,
    /// Types by the last part of their path.
    pub(crate) types: Vec<Ident>,
    /// Lifetimes by name.
    pub(crate) lifetimes: Vec<Lifetime>,
}

impl Mentions {
    pub(crate) fn of(ty: &Type) -> Self {
        let mut mentions = Self::default();
        // syn's read-only visitor is a feature that nothing else here needs; a copy of one type is cheap.
        mentions.visit_type_mut(&mut ty.clone());
        mentions
    }
}

impl VisitMut for Mentions {
    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        self.exclusive |= reference.mutability.is_some();
        self.elided |= reference.lifetime.is_none();
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_type_impl_trait_mut(&mut self, impl_trait: &mut TypeImplTrait) {
        self.impl_trait = true;
        visit_mut::visit_type_impl_trait_mut(self, impl_trait);
    }

    fn visit_path_mut(&mut self, path: &mut Path) {
        self.types
            .extend(path.segments.last().map(|segment| segment.ident.clone()));
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            self.elided = true;
        } else {
            self.lifetimes.push(lifetime.clone());
        }
    }

    fn visit_type_bare_fn_mut(&mut self, _: &mut TypeBareFn) {}

    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {}
}

/// The type as a person writes it: a token stream has a space between any two tokens.
pub(crate) fn pretty(ty: impl ToTokens) -> String {
    let mut tokens = TokenStream::new();
    ty.to_tokens(&mut tokens);
    let spaced = [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        ("& ", "&"),
    ];
    spaced
        .iter()
        .fold(tokens.to_string(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn functions_that_are_only_described_mention_nothing() {
        let mentions = Mentions::of(&parse_quote!(Box<dyn Fn(&mut A) -> &B>));
        assert!(!mentions.exclusive && !mentions.elided);
        let mentions = Mentions::of(&parse_quote!(Option<(i32, &'a mut fn(&A))>));
        assert!(mentions.exclusive && !mentions.elided && mentions.lifetimes.len() == 1);
        assert!(Mentions::of(&parse_quote!(Result<impl Iterator<Item = u8> + '_>)).impl_trait);
    }

    #[test]
    fn types_are_shown_as_they_are_written() {
        let ty: Type = parse_quote!(::std::Map<&'a str, Vec<u8>>);
        assert_eq!(pretty(ty), "::std::Map<&'a str, Vec<u8>>");
    }

    #[test]
    fn integers_are_known_by_their_last_name() {
        assert!(is_integer(&parse_quote!(i64)) && is_integer(&parse_quote!(core::primitive::u16)));
        assert!(!is_integer(&parse_quote!(Option<i32>)) && !is_integer(&parse_quote!(i8)));
    }
}
